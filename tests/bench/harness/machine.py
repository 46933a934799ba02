"""What the machine itself does during a run: how fast it syncs, how much CPU is stolen, what a process tree costs."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def fsyncs_per_second(folder: Path, seconds: float = 1.0) -> float:
    """Appends of 1 KiB, each followed by fdatasync: what one durable write at a time reaches just now."""
    path = folder / "fsync-probe"
    block = os.urandom(1024)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    count, begun = 0, time.monotonic()
    try:
        while time.monotonic() - begun < seconds:
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        path.unlink()
    return count / (time.monotonic() - begun)


def stolen_seconds() -> float:
    """CPU time the hypervisor took from this machine since it started."""
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[8]) / TICK


def tree(roots: list[int]) -> set[int]:
    """The processes `roots` and all below them."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = set(), list(roots)
    while waiting:
        process = waiting.pop()
        if process not in found:
            found.add(process)
            waiting.extend(children.get(process, []))
    return found


def cpu_seconds(roots: list[int]) -> float:
    """User and system time of the trees below `roots`, ended children included."""
    total = 0
    for process in tree(roots):
        try:
            fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICK


def resident_mebibytes(process: int) -> float:
    """Resident memory of one process."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def busy_seconds() -> float:
    """CPU time all processors of this machine spent working since it started; waiting for the disk is not work."""
    with open("/proc/stat", encoding="ascii") as stat:
        fields = [int(field) for field in stat.readline().split()[1:]]
    user, nice, system, _, _, interrupts, soft_interrupts = fields[:7]
    return (user + nice + system + interrupts + soft_interrupts) / TICK


@dataclass
class Span:
    """What passed on the machine between two points."""

    seconds: float
    # Of the processes that were watched.
    cpu_seconds: float
    # Of every process.
    busy_seconds: float
    stolen_seconds: float

    def others(self, ours: float) -> float:
        """How many processors programs that do not belong to the run kept busy. `ours`: CPU seconds of the run's own ones."""
        return max(0.0, (self.busy_seconds - ours) / self.seconds)


class Watch:
    """Starts watching the trees below `roots`; `stop` tells what they used."""

    def __init__(self, roots: list[int]) -> None:
        self.roots = roots
        self.begun = self._now()

    def _now(self) -> tuple[float, float, float, float]:
        return (time.monotonic(), cpu_seconds(self.roots), busy_seconds(), stolen_seconds())

    def stop(self) -> Span:
        return Span(*(after - before for before, after in zip(self.begun, self._now(), strict=True)))
