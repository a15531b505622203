"""F16: production does not boot with a missing, default or short secret. Real processes."""

import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

GOOD = {
    "SECRET_KEY": "q8Zr3-vTn_LxW0pYbK5uHdE7sMfJ2cGa9iRo4tXy",
    "GILO_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
}


def boot(tmp_path, **changes):
    kept = ("PATH", "HOME", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {
        "GILO_PRODUCTION": "1",
        "GILO_DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgres://u@127.0.0.1:9/x",
    }
    environment |= {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    command = [sys.executable, "-c", "import gilo.settings"]
    options = {"env": environment, "cwd": settings.BASE_DIR, "capture_output": True, "text": True, "timeout": 60}
    return subprocess.run(command, check=False, **options)


def test_production_boots_with_strong_secrets(tmp_path):
    result = boot(tmp_path)
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("value", [None, "short", "changeme" * 8, "a" * 64, "django-insecure-" * 4])
def test_production_refuses_weak_secret(tmp_path, name, value):
    result = boot(tmp_path, **{name: value})
    assert result.returncode != 0
    assert result.stderr.startswith(f"{name} is missing, too short") and len(result.stderr.splitlines()) == 1
    if value and len(value) > 10:
        assert value not in result.stderr


def test_production_refuses_encryption_key_that_is_none(tmp_path):
    assert boot(tmp_path, GILO_ENCRYPTION_KEYS=GOOD["SECRET_KEY"]).returncode != 0


def test_secret_from_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(GOOD["SECRET_KEY"] + "\n")
    assert boot(tmp_path, SECRET_KEY=None, SECRET_KEY_FILE=str(file)).returncode == 0
    file.write_text("short")
    assert boot(tmp_path, SECRET_KEY=None, SECRET_KEY_FILE=str(file)).returncode != 0


def test_development_makes_secrets_once_and_keeps_them_private(tmp_path):
    first = boot(tmp_path, GILO_PRODUCTION="0", SECRET_KEY=None, GILO_ENCRYPTION_KEYS=None)
    assert first.returncode == 0, first.stderr
    file = tmp_path / "secrets" / "secret_key"
    value = file.read_text()
    assert len(value) > 40 and file.stat().st_mode & 0o077 == 0
    boot(tmp_path, GILO_PRODUCTION="0", SECRET_KEY=None, GILO_ENCRYPTION_KEYS=None)
    assert file.read_text() == value
