"""with_servers.py as it is used: really started, interrupted and killed.

python3 -m unittest discover -s deploy/local
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOON = 60.0
# Tells its process ID, waits to be told to end, and then takes a moment over it.
PATIENT = "trap 'echo tidied; exit 5' INT TERM; echo up $$ $TSUNAGI_TEST_DIR; while :; do sleep 0.05; done"


class Wrapper:
    """A running with_servers.py in a process group of its own, as a terminal would start it."""

    def __init__(self, *command: str, mode: str = "test", **environment: str) -> None:
        given = {name: value for name, value in os.environ.items() if not name.startswith("TSUNAGI_")}
        self.process = subprocess.Popen(
            [sys.executable, HERE / "with_servers.py", "--mode", mode, "--", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
            env={**given, **environment},
        )

    def until_up(self) -> tuple[int, pathlib.Path]:
        """The command's process ID, and the folder with all of the run's data."""
        for line in self.process.stdout:
            if line.startswith("up "):
                _, pid, folder = line.split()
                return int(pid), pathlib.Path(folder).parent
        raise AssertionError("the command was not started")

    def end(self) -> tuple[int, str]:
        # Not communicate(): it would pass over what came in one piece with the line that was read before.
        patience = threading.Timer(SOON, self.process.kill)
        patience.start()
        try:
            with self.process.stdout as rest:
                output = rest.read()
            return self.process.wait(), output
        finally:
            patience.cancel()


def processes_of(data: pathlib.Path) -> list[str]:
    """Command lines that name the run's data: its servers."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"{data}/" in line:
            found.append(line)
    return found


def runs(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class WithServers(unittest.TestCase):
    def assert_nothing_is_left(self, pid: int, data: pathlib.Path) -> None:
        self.assertFalse(runs(pid), "the command still runs")
        self.assertEqual(processes_of(data), [])
        self.assertFalse(data.exists(), f"{data} still exists")

    def eventually(self, holds, otherwise: str) -> None:
        deadline = time.monotonic() + SOON
        while not holds():
            self.assertLess(time.monotonic(), deadline, otherwise)
            time.sleep(0.05)

    def test_the_command_runs_between_servers_and_its_status_is_passed_on(self) -> None:
        wrapper = Wrapper("sh", "-c", "echo up $$ $TSUNAGI_TEST_DIR; read -r _ < /dev/null; env; exit 3")
        pid, data = wrapper.until_up()
        status, output = wrapper.end()
        self.assertEqual(status, 3)
        for name in ("ADMIN_URL=postgres://postgres@127.0.0.1:", "NATS_URL=nats://127.0.0.1:"):
            self.assertIn(f"TSUNAGI_TEST_{name}", output)
        self.assertNotIn("TSUNAGI_DATABASE_URL", output)
        self.assert_nothing_is_left(pid, data)

    def test_two_run_at_once(self) -> None:
        first, second = Wrapper("sh", "-c", PATIENT), Wrapper("sh", "-c", PATIENT)
        places = [first.until_up(), second.until_up()]
        self.assertNotEqual(places[0][1], places[1][1])
        for _, data in places:
            self.assertEqual(len(processes_of(data)), 2, "PostgreSQL and NATS run")
        for wrapper, place in zip((first, second), places):
            wrapper.process.terminate()
            self.assertEqual(wrapper.end()[0], 5)
            self.assert_nothing_is_left(*place)

    def test_ctrl_c_lets_the_command_tidy_up_before_the_servers_go(self) -> None:
        wrapper = Wrapper("sh", "-c", PATIENT)
        place = wrapper.until_up()
        os.killpg(wrapper.process.pid, signal.SIGINT)
        status, output = wrapper.end()
        self.assertEqual((status, output), (5, "tidied\n"))
        self.assert_nothing_is_left(*place)

    def test_sigterm_during_the_start_leaves_nothing(self) -> None:
        runs = HERE.parents[1] / "target" / "run"
        before = set(runs.glob("*/processes"))
        wrapper = Wrapper("sh", "-c", PATIENT)
        # From the first note of a server on, the start is under way.
        self.eventually(lambda: set(runs.glob("*/processes")) - before, "the start did not begin")
        wrapper.process.terminate()
        self.assertIn(wrapper.end()[0], (128 + signal.SIGTERM, 5))

    def test_what_the_command_leaves_running_is_ended(self) -> None:
        wrapper = Wrapper("sh", "-c", "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo up $! $TSUNAGI_TEST_DIR")
        place = wrapper.until_up()
        self.assertEqual(wrapper.end()[0], 0)
        self.assert_nothing_is_left(*place)

    def test_a_killed_wrapper_takes_everything_along_and_the_next_start_clears_its_data(self) -> None:
        killed = Wrapper("sh", "-c", PATIENT)
        pid, data = killed.until_up()
        killed.process.kill()
        killed.end()
        self.eventually(lambda: not runs(pid) and not processes_of(data), "the kernel did not end all of it")
        self.assertTrue(data.exists(), "nobody was there to remove it, so this test would show nothing")
        self.assertEqual(Wrapper("true").end()[0], 0)
        self.assert_nothing_is_left(pid, data)

    def test_an_operators_own_servers_are_used_as_they_are(self) -> None:
        own = {"TSUNAGI_DATABASE_URL": "postgres://own@db.example/x", "TSUNAGI_NATS_URL": "nats://nats.example"}
        wrapper = Wrapper("sh", "-c", PATIENT.replace("echo tidied", "env"), mode="durable", **own)
        _, data = wrapper.until_up()
        self.assertEqual(processes_of(data), [], "a server was started all the same")
        wrapper.process.terminate()
        _, output = wrapper.end()
        for name, value in own.items():
            self.assertIn(f"{name}={value}\n", output)
        self.assertIn("TSUNAGI_TEST_ADMIN_URL=postgres://own@db.example/x\n", output)

    def test_a_command_that_is_not_there_is_said_plainly(self) -> None:
        status, output = Wrapper("no-such-command").end()
        self.assertEqual(status, 1)
        self.assertIn("no-such-command", output)


if __name__ == "__main__":
    unittest.main()
