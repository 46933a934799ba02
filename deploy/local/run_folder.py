"""The folder of one run: target/run/<name>/, with everything the run's servers write.

A run holds a lock on its folder for as long as it lives; the kernel lets go of it however the run ends. A folder whose lock
is free belongs to a run that was killed: the next start ends the processes it left and removes what it wrote.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator

import processes

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUNS = ROOT / "target" / "run"
_OUTSIDE = pathlib.Path("/var/tmp")
_OUTSIDE_PREFIX = "tsunagi-run-"


class RunFolder:
    """One run's folder. `data` is where servers keep their data: a place the servers' user can reach."""

    def __init__(self, path: pathlib.Path, data: pathlib.Path, user: str | None) -> None:
        self.path = path
        self.data = data
        self.user = user

    def note(self, identity: processes.Identity) -> None:
        """Keeps the identity of a process this run started, for the sweep should this run be killed."""
        with (self.path / "processes").open("a") as file:
            file.write(identity.to_line())

    def room(self, name: str) -> pathlib.Path:
        """A new private folder below `data`, owned by the servers' user."""
        room = self.data / name
        room.mkdir(mode=0o700)
        self._hand_over(room)
        return room

    def tests_room(self) -> pathlib.Path:
        """A folder anybody may write to, for servers that tests start by themselves; it goes with the run."""
        room = self.data / "tests"
        room.mkdir()
        room.chmod(0o1777)
        return room

    def _hand_over(self, room: pathlib.Path) -> None:
        if self.user is not None:
            entry = pwd.getpwnam(self.user)
            os.chown(room, entry.pw_uid, entry.pw_gid)


@contextlib.contextmanager
def open_run(name: str) -> Iterator[RunFolder]:
    """Sweeps what killed runs left, then makes this run's folder and removes it again at the end."""
    RUNS.mkdir(parents=True, exist_ok=True)
    user = servers_user()
    with contextlib.ExitStack() as held:
        with _locked(RUNS / ".lock"):
            _sweep()
            path = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=RUNS))
            path.chmod(0o755)
            held.enter_context(_locked(path / "lock"))
        held.callback(_remove, path)
        yield RunFolder(path, _place_for_data(path, user), user)


def servers_user() -> str | None:
    """The user the servers run as: PostgreSQL refuses root, so root lends them another one."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def can_reach(path: pathlib.Path, user: str | None) -> bool:
    """Whether the servers' user can go through every folder above `path` and use it."""
    if user is None:
        return os.access(path, os.X_OK)
    entry = pwd.getpwnam(user)
    test = subprocess.run(["test", "-x", path], user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], check=False)
    return test.returncode == 0


def _place_for_data(path: pathlib.Path, user: str | None) -> pathlib.Path:
    if can_reach(path, user):
        data = path / "data"
        data.mkdir()
        return data
    data = pathlib.Path(tempfile.mkdtemp(prefix=_OUTSIDE_PREFIX, dir=_OUTSIDE))
    data.chmod(0o755)
    (path / "data").symlink_to(data)
    return data


def _sweep() -> None:
    for path in RUNS.iterdir():
        if not path.is_dir():
            continue
        with contextlib.suppress(BlockingIOError, PermissionError), _locked(path / "lock", wait=False):
            for left in processes.read_identities(path / "processes"):
                if left.is_alive():
                    print(f"stopping {left.name} (pid {left.pid}), left by a run that was killed", flush=True)
                    left.end((signal.SIGQUIT if left.name == "postgres" else signal.SIGTERM, 5.0))
            _remove(path)


def _remove(path: pathlib.Path) -> None:
    link = path / "data"
    if link.is_symlink():
        outside = link.readlink()
        if outside.parent == _OUTSIDE and outside.name.startswith(_OUTSIDE_PREFIX):
            _remove_tree(outside)
    _remove_tree(path)


def _remove_tree(path: pathlib.Path) -> None:
    """Removes a tree in which an orphan may still write a last file."""
    for _ in range(50):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.1)


@contextlib.contextmanager
def _locked(path: pathlib.Path, *, wait: bool = True) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
