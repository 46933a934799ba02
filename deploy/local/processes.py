"""Processes this program starts, and the proof later that a process is still the one it started.

A process ID alone proves nothing: the kernel hands it out again. A process is therefore known by its ID together with the
moment it began and the boot it began in, as the kernel tells them.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import pathlib
import pwd
import signal
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for another one."""

    name: str
    pid: int
    began: int  # clock ticks after boot, from /proc/PID/stat
    boot: str

    @staticmethod
    def of(name: str, pid: int) -> "Identity | None":
        began = _began(pid)
        return None if began is None else Identity(name, pid, began, _boot())

    def is_alive(self) -> bool:
        return self.boot == _boot() and _began(self.pid) == self.began

    def send(self, number: signal.Signals) -> None:
        """Signals the process, unless it has gone."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def end(self, *steps: tuple[signal.Signals, float]) -> None:
        """Sends each signal in turn, waiting that many seconds for the process to go before the next one."""
        for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
            self.send(number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not self.is_alive():
                    return
                time.sleep(0.02)

    def to_line(self) -> str:
        return json.dumps(dataclasses.asdict(self)) + "\n"


def read_identities(file: pathlib.Path) -> list[Identity]:
    """The identities noted in a file; a line cut short by a crash is passed over."""
    found = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            found.append(Identity(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def spawn(argv: list[str], *, log: pathlib.Path, folder: pathlib.Path, user: str | None, on_orphaned: signal.Signals):
    """Starts a server in a session of its own, so that Ctrl-C at the terminal does not reach it.

    The kernel sends it `on_orphaned` if this program dies without stopping it.
    """
    rights = {}
    if user is not None:
        entry = pwd.getpwnam(user)
        rights = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    parent = os.getpid()
    with log.open("ab") as out:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: die_with(parent, on_orphaned),
            **rights,
        )


def die_with(parent: int, number: signal.Signals) -> None:
    """Called in a new child: asks the kernel to send `number` once `parent` is gone."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Makes this program the parent of every descendant whose own parent ends, so that none is left behind."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """Process IDs of this program's children, the ones that have ended and were not waited for included."""
    me, found = os.getpid(), []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields is not None and int(fields[1]) == me:
                found.append(int(entry))
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (index 0), or nothing for a process that is not there."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _began(pid: int) -> int | None:
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def _boot() -> str:
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
