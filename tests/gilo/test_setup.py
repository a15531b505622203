"""`scripts/setup.py` in a folder of its own: interrupted, twice at once, and with what an interrupted one left."""

import os
import runpy
import shutil
import signal
import subprocess
import sys

import pytest

from gilo.settings import BASE_DIR
from tests.processes import wait_until

pytestmark = pytest.mark.faults
BEGINNING = "· Making the virtual environment\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scripts").mkdir()
    shutil.copy(BASE_DIR / "scripts" / "setup.py", tmp_path / "scripts")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "base.txt").write_text("# nothing to install\n")
    return tmp_path


def set_up(folder):
    """Begun as `make` begins it, and let go of; its words are in `log`."""
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "scripts/setup.py"], cwd=folder, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PIP_NO_INDEX": "1"},
        )  # fmt: skip


def log_of(folder):
    return (folder / "log").read_text()


def is_whole(folder):
    return (folder / ".venv" / ".base.installed").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_set_up_says_so_in_a_line_and_the_next_one_begins_again(folder, number):
    process = set_up(folder)
    wait_until((folder / ".venv" / "bin" / "python").exists)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    assert process.wait(20) == 1
    assert log_of(folder) == f"{BEGINNING}Interrupted. The next start goes on with the set-up.\n"
    assert not is_whole(folder)
    assert set_up(folder).wait(60) == 0, log_of(folder)
    assert is_whole(folder)


def test_second_set_up_waits_for_the_first_and_finds_all_done(folder):
    first = set_up(folder)
    wait_until(lambda: BEGINNING in log_of(folder))
    second = set_up(folder)
    assert (first.wait(60), second.wait(60)) == (0, 0), log_of(folder)
    assert "waiting for it" in log_of(folder)
    assert log_of(folder).count(BEGINNING) == 1 and log_of(folder).count("· Installing") == 1


def test_environment_that_another_process_left_half_made_is_made_anew(folder):
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)  # as `kill -9` leaves it: no pip, no packages
    (folder / ".venv" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(sys.executable)}\n")  # noqa: PTH120
    assert set_up(folder).wait(60) == 0, log_of(folder)
    assert is_whole(folder)


def test_folder_that_cannot_be_written_is_told_in_a_sentence(folder):
    (folder / ".build").touch()
    assert set_up(folder).wait(20) == 1
    assert log_of(folder) == f"The set-up cannot go on: File exists ({folder / '.build'}).\n"


def test_older_python_gets_as_far_as_being_told_so():
    names = runpy.run_path(str(BASE_DIR / "scripts" / "setup.py"))
    assert names["__annotations__"]["PIP"] == "list[str | Path]"  # evaluated, it would be a TypeError before 3.10
