"""A number that is none, as who starts GiLo meets it."""

import os
import subprocess
import sys

import pytest

from gilo.settings import BASE_DIR


def start(tmp_path, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", "start"],
        check=False, cwd=BASE_DIR, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "GILO_DATA_DIR": str(tmp_path), **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "abc", "PORT must be a whole number from 1 to 65535, not 'abc'."),
        ("PORT", "99999", "PORT must be a whole number from 1 to 65535, not '99999'."),
        ("PORT", "--1", "PORT must be a whole number from 1 to 65535, not '--1'."),
        ("GILO_MAX_UPLOAD_MB", "5 MB", "GILO_MAX_UPLOAD_MB must be a whole number, not '5 MB'."),
    ],
)
def test_start_says_in_one_sentence_which_number_is_wrong(tmp_path, name, value, sentence):
    refused = start(tmp_path, **{name: value})
    assert refused.returncode == 1
    assert refused.stderr == f"{sentence}\n"
    assert not (tmp_path / "postgres").exists()


def test_number_left_empty_is_the_default(tmp_path):
    code = "import gilo.settings as s; print(s.PORT, s.EMAIL_PORT)"
    read = subprocess.run(
        [sys.executable, "-c", code],
        check=True, cwd=BASE_DIR, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "GILO_DATA_DIR": str(tmp_path), "PORT": "", "EMAIL_PORT": " "},
    )  # fmt: skip
    assert read.stdout == "8000 587\n"
