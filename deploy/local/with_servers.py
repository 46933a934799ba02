#!/usr/bin/env python3
"""Starts a private PostgreSQL and NATS, runs a command with their addresses, and stops them again.

    python3 deploy/local/with_servers.py --mode test -- cargo nextest run

The command finds in its environment:

    TSUNAGI_TEST_ADMIN_URL   PostgreSQL as its superuser          TSUNAGI_PG_BIN        folder of initdb and postgres
    TSUNAGI_TEST_NATS_URL    NATS with JetStream                  TSUNAGI_NATS_SERVER   the nats-server program
    TSUNAGI_TEST_DIR         a folder for what tests start by themselves; it goes when the command ends

and, in mode `durable`, the same addresses as TSUNAGI_DATABASE_URL and TSUNAGI_NATS_URL. An address that is set already
names the operator's own server: that one is used, and none is started in its place, unless --private is given.

Everything the command leaves behind is ended with it: on success, on failure, on Ctrl-C and on SIGTERM. What a killed
run leaves is ended by the kernel, or by the next run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time

import nats
import postgres
import processes
import run_folder
import tools

_AFTER_CTRL_C = 30.0  # seconds the command may take to end by itself, before it is told again
_AFTER_TERM = 20.0
_HEAR = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal asked this program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> int:
    wanted = _arguments()
    for number in _HEAR:
        signal.signal(number, _interrupt)
    processes.adopt_orphans()
    try:
        with run_folder.open_run(wanted.mode) as folder, contextlib.ExitStack() as up:
            # Entered first, left last: whatever a signal in mid-start leaves without an owner ends here.
            up.callback(_end_children)
            started, environment = _servers(wanted, folder, up)
            status = Command(wanted.command, environment).run()
            for server in started:
                if server.process.poll() is not None:
                    print(f"error: the server at {server.url} ended by itself", file=sys.stderr)
                    status = status or 1
            _end_children(spared={server.process.pid for server in started})
            return status
    except Interrupted as interrupted:
        return 128 + interrupted.number
    except (postgres.CannotStart, tools.CannotInstall, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s [options] -- COMMAND"
    )
    parser.add_argument("--mode", choices=["test", "durable"], required=True, help="test: fsync off; durable: on")
    parser.add_argument("--private", action="store_true", help="start servers even where addresses are set")
    parser.add_argument("command", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def _servers(wanted: argparse.Namespace, folder: run_folder.RunFolder, up: contextlib.ExitStack) -> tuple[list, dict]:
    """Starts what has no address yet. Returns the servers and the command's environment."""
    environment = dict(os.environ)
    durable = wanted.mode == "durable"
    names = {
        "postgres": ["TSUNAGI_TEST_ADMIN_URL"] + (["TSUNAGI_DATABASE_URL"] if durable else []),
        "nats": ["TSUNAGI_TEST_NATS_URL"] + (["TSUNAGI_NATS_URL"] if durable else []),
    }
    given = dict.fromkeys(names)
    if not wanted.private:
        given = {which: next(filter(None, map(environment.get, reversed(of))), None) for which, of in names.items()}
    binaries = postgres.find_binaries(folder)
    program = nats.find_server(folder)
    started = []
    if given["postgres"] is None:
        started.append(postgres.start(binaries, folder, wanted.mode))
        up.callback(started[-1].stop)
        given["postgres"] = started[-1].url
    if given["nats"] is None:
        started.append(nats.start(program, folder, wanted.mode))
        up.callback(started[-1].stop)
        given["nats"] = started[-1].url
    for which, of in names.items():
        environment.update(dict.fromkeys(of, given[which]))
    environment["TSUNAGI_PG_BIN"] = str(binaries)
    environment["TSUNAGI_NATS_SERVER"] = str(program)
    environment["TSUNAGI_TEST_DIR"] = str(folder.tests_room())
    return started, environment


class Command:
    """The command, in the foreground: Ctrl-C at the terminal reaches it directly, SIGTERM and SIGHUP are passed on."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        me = os.getpid()
        self._deadlines: list[tuple[float, signal.Signals]] = []
        self._heard: int | None = None
        # A signal that comes while the command is being started waits: it is the command's as soon as there is one.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEAR)
        try:
            self._process = subprocess.Popen(argv, env=environment, preexec_fn=lambda: _as_command(me))
            for number in _HEAR:
                signal.signal(number, self._hear)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEAR)

    def run(self) -> int:
        """Waits for the command and returns the status to exit with: its own, or that of the signal which ended it."""
        while True:
            try:
                status = self._process.wait(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                self._press()
                _reap(self._process.pid)
        _deaf()
        if self._heard is not None and status < 0:
            return 128 + self._heard
        return status if status >= 0 else 128 - status

    def _hear(self, number: int, _frame: object) -> None:
        if self._heard is not None:
            return
        self._heard = number
        now = time.monotonic()
        if number == signal.SIGINT:
            # The terminal sent it to the command too; a second one would make it leave without tidying up.
            self._deadlines = [
                (now + _AFTER_CTRL_C, signal.SIGTERM),
                (now + _AFTER_CTRL_C + _AFTER_TERM, signal.SIGKILL),
            ]
        else:
            self._process.send_signal(number)
            self._deadlines = [(now + _AFTER_TERM, signal.SIGKILL)]

    def _press(self) -> None:
        while self._deadlines and time.monotonic() >= self._deadlines[0][0]:
            _, number = self._deadlines.pop(0)
            self._process.send_signal(number)


def _as_command(owner: int) -> None:
    """Makes the process that begins a command one that hears signals as any program does, and ends with its owner."""
    processes.die_with(owner, signal.SIGTERM)
    for number in _HEAR:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEAR)


def _interrupt(number: int, _frame: object) -> None:
    _deaf()
    raise Interrupted(number)


def _deaf() -> None:
    """Everything is being stopped already, and that takes seconds: further signals change nothing."""
    for number in _HEAR:
        signal.signal(number, signal.SIG_IGN)


def _reap(command: int) -> None:
    """Waits for adopted orphans that have ended, so that they do not pile up; the command's status is left to its waiter."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid == command:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def _end_children(spared: frozenset[int] | set[int] = frozenset()) -> None:
    """Ends every process the command left running: by now they are this program's children."""
    for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        told = set(spared)
        while time.monotonic() < deadline:
            _reap(0)
            left = set(processes.children()) - spared
            if not left:
                return
            for pid in left - told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            told |= left
            time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
