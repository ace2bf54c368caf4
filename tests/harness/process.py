"""Start a server process for the tests, and end it again, whatever happens to pytest."""

import contextlib
import os
import pwd
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PREFIX = "sessionstore-tests-"
MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
_GIB = 1 << 30


class ServerFailedError(Exception):
    """A server is installed, but did not come up; the message ends with its log."""


class ServerEndedError(Exception):
    """A server that tests were using has ended; the message says how, and ends with its log."""


def free_port(*, and_next: int = 0) -> int:
    """Return a TCP port that nobody uses at this moment, nor the `and_next` ports after it.

    Below the range from which Linux takes the ports of outgoing connections: those of the other
    tests come and go, and one of them would take the port before its server does.
    """
    while True:
        port = 15000 + secrets.randbelow(17000)
        if all(_is_free(port + number) for number in range(and_next + 1)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def private_folder(*, in_memory: bool = False) -> Path:
    """Make the folder of this run, and remove those of runs that were killed.

    Server accounts must be able to walk through it, so it is world-readable; its name carries
    our process id, by which a later run sees that nobody uses it any more.

    Optimization: in memory, where there is room, the last connection to an SQLite file closes in
    less than 1 ms instead of 20, and MariaDB makes a table in 1 ms instead of 40.
    """
    for place in (Path(tempfile.gettempdir()), MEMORY):
        for left_over in place.glob(f"{PREFIX}*-*"):
            owner = left_over.name.removeprefix(PREFIX).partition("-")[0]
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(left_over, ignore_errors=True)
    place = MEMORY if in_memory and _has_room() else None
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
    folder.chmod(0o755)
    return folder


def _has_room() -> bool:
    """Tell whether memory has room for the data of all servers (0.5 GiB) and for much else."""
    try:
        kept = os.statvfs(MEMORY)
        told = Path("/proc/meminfo").read_text()
    except OSError:
        return False
    available = int(re.search(r"MemAvailable: *(\d+)", told)[1]) << 10
    can_run_files = not kept.f_flag & os.ST_NOEXEC
    return can_run_files and kept.f_bavail * kept.f_frsize > 2 * _GIB and available > 4 * _GIB


def account_for(name: str) -> str | None:
    """Return the account a database server runs under: they refuse to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        return "nobody"


def owned_folder(path: Path, account: str | None) -> Path:
    """Make a folder that belongs to `account`."""
    path.mkdir(parents=True)
    if account:
        shutil.chown(path, account, pwd.getpwnam(account).pw_gid)
    return path


def can_run(account: str, program: Path) -> bool:
    """Tell whether `account` may execute `program`."""
    command = ["setpriv", "--reuid", account, "--clear-groups", "--", "test", "-x", str(program)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def copy_folder(source: Path, target: Path, account: str | None) -> None:
    """Copy a data folder and hand it to `account`."""
    shutil.copytree(source, target)
    if account:
        owner = pwd.getpwnam(account)
        for path in (target, *target.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)


def keep_folder(source: Path, target: Path) -> None:
    """Copy `source` to `target` in one step, so that runs at the same time cannot see half."""
    if not target.parent.exists() or not os.access(target.parent, os.W_OK):
        return
    half = Path(tempfile.mkdtemp(dir=target.parent))
    shutil.copytree(source, half / "data")
    with contextlib.suppress(OSError):
        (half / "data").rename(target)
    shutil.rmtree(half)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


@contextlib.contextmanager
def ended_by_a_cut(pids: list[int]) -> Iterator[None]:
    """Kill processes at the end, and wait until they are gone."""
    handles = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handles.append(os.pidfd_open(pid))
    yield
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        assert select.select([handle], [], [], 10)[0], "it outlives its SIGKILL"
        os.close(handle)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process and those that it has made; their connections stay, and nobody answers.

    A shell that reads from a pipe of ours lets them go on, also when we are killed.
    """
    thaw = ["sh", "-c", 'while read one; do all="$all $one"; done; kill -CONT $all']
    with subprocess.Popen(thaw, stdin=subprocess.PIPE) as shell:
        # The one that makes the others stops first.
        _freeze(pid, shell)
        for child in children_of(pid):
            _freeze(child, shell)
        yield


def _freeze(pid: int, shell: "subprocess.Popen[bytes]") -> None:
    shell.stdin.write(f"{pid}\n".encode())
    shell.stdin.flush()
    os.kill(pid, signal.SIGSTOP)
    # The signal is one thing, and that each thread has heard of it another.
    deadline = time.monotonic() + 10
    while not _is_stopped(pid):
        assert time.monotonic() < deadline, f"process {pid} goes on after SIGSTOP"
        time.sleep(0.001)


def _is_stopped(pid: int) -> bool:
    for status in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # That thread has ended.
            if status.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                return False
    return True


@dataclass(frozen=True, slots=True)
class Launched:
    """A running process and where it writes."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait_for_port(self, port: int, *, seconds: float = 60) -> None:
        """Return when the server accepts connections on `port`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise ServerFailedError(f"{self.name} did not start:\n{self.log_tail()}")

    def wait_for_line(self, pattern: str, *, seconds: float = 60) -> re.Match[str]:
        """Return the match of `pattern` in what the process wrote, when it has written it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            if found := re.search(pattern, self.log.read_text(errors="replace")):
                return found
            if ended:
                break
            time.sleep(0.02)
        raise ServerFailedError(f"{self.name} did not start:\n{self.log_tail()}")

    def ending(self, *, seconds: float = 0) -> str | None:
        """Say how the process ended, and what it wrote last; None when it still runs.

        Who has just lost a connection to it waits a moment: its end is noticed a little later.
        """
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"{self.name} (process {self.process.pid}) ended {how}; it wrote:\n{self.log_tail()}"

    def wait_for_end(self, *, seconds: float = 120) -> None:
        """Return when the process has ended well."""
        try:
            failed = self.process.wait(seconds) != 0
        except subprocess.TimeoutExpired:
            self.stop()
            failed = True
        if failed:
            raise ServerFailedError(f"{self.name} failed:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the errors and the last lines that the process wrote."""
        lines = self.log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "ERROR" in line or "FATAL" in line]
        return "\n".join([*errors, *lines[-15:]])

    def kill(self) -> None:
        """End this process as a power cut would, by its id only."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, *, seconds: float = 4) -> None:
        """End this process, by its id only: politely first, after so long for certain."""
        if self.process.poll() is None:
            self.process.send_signal(_polite_signal(self.name))
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()


def _polite_signal(name: str) -> signal.Signals:
    # PostgreSQL takes SIGTERM as "wait until everybody has gone"; SIGQUIT is "at once".
    return signal.SIGQUIT if name == "postgresql" else signal.SIGTERM


def launch(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    account: str | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Launched:
    """Start `command`, as `account` and in `folder` when given, with these variables added.

    setpriv makes the kernel end the process when we die, even of SIGKILL. The signal is bound to
    the thread that starts the process, so call this from the main thread.
    """
    line = ["setpriv", "--pdeathsig", _polite_signal(name).name.removeprefix("SIG")]
    if account:
        line += ["--reuid", account, "--regid", str(pwd.getpwnam(account).pw_gid)]
        line += ["--clear-groups"]
    # A MariaDB that starts deletes the temporary tables of every other one in the same folder.
    temporary = log.with_name(f"{log.stem}-tmp")
    if not temporary.exists():
        owned_folder(temporary, account)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*line, "--", *map(str, command)],
            cwd=folder or log.parent,
            env={**os.environ, "TMPDIR": str(temporary), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C must reach pytest alone: it needs the servers until its fixtures are done.
            start_new_session=True,
        )
    return Launched(name, process, log)
