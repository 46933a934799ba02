"""The table at the end: every figure beside its target, and the bounds that may fail a check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.decisions import CUSTOMERS
from harness.record import Record

PEER, SENDING_PEER = "node x2", "graphile-worker + Node SDK"


@dataclass
class Row:
    """A line of the table."""

    figure: str
    what: str
    measured: str
    target: str
    reached: str


@dataclass
class Bound:
    """What a change must not make worse. Time is never bounded: it follows the disk and the neighbours."""

    figure: str
    name: str
    most: float


# About twice what a quiet machine shows.
BOUNDS = [
    Bound("P-1", "cpu_us", 200),
    Bound("P-1", "wal_bytes", 3200),
    Bound("P-1", "commits", 0.2),
    Bound("P-4", "cpu_us", 800),
    Bound("P-4", "wal_bytes", 4800),
    Bound("P-4", "commits", 0.3),
]


def _said(value: float | None, reached: bool | None = None) -> str:
    return "not run" if value is None else ("yes" if reached else "no")


def _at_least(value: float | None, target: float) -> str:
    return _said(value, value is not None and value >= target)


def _at_most(value: float | None, target: float) -> str:
    return _said(value, value is not None and value <= target)


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over is not None and under else None


def _times(value: float | None, shape: str = "{:.2f} x") -> str:
    return "–" if value is None else shape.format(value)


def rows(record: Record) -> Iterator[Row]:
    yield from _webhooks(record)
    yield from _memory(record)
    yield from _sending(record)
    yield from _live(record)
    yield from _decisions(record)


def _webhooks(record: Record) -> Iterator[Row]:
    def both(figure: str, name: str) -> tuple[float | None, float | None]:
        return record.median(figure, "tsunagi", name), record.median(figure, PEER, name)

    ours, peers = both("P-1", "per_second")
    faster = _ratio(ours, peers)
    told = f"{record.spread('P-1', 'tsunagi', 'per_second')} beside {record.spread('P-1', PEER, 'per_second')}"
    yield Row("P-1", f"acknowledged per second: {told}", _times(faster), "5 x (7 x)", _at_least(faster, 5))
    ours, peers = both("P-1", "p99_ms")
    share = _ratio(ours, peers)
    told = f"{record.spread('P-1', 'tsunagi', 'p99_ms')} beside {record.spread('P-1', PEER, 'p99_ms')}"
    yield Row("P-1", f"p99, ms: {told}", _times(share), "0.2 x (0.1 x)", _at_most(share, 0.2))
    cpu = record.median("P-1", "tsunagi", "cpu_us")
    told = f"{record.spread('P-1', 'tsunagi', 'cpu_us')} beside {record.spread('P-1', PEER, 'cpu_us')}"
    yield Row("P-1", f"CPU µs an event, stores included: {told}", _times(cpu, "{:.0f}"), "90 (60)", _at_most(cpu, 90))
    syncs = record.median("P-1", "tsunagi", "events_per_sync")
    fast = record.median("P-1", "tsunagi", "fsync_before") or 0
    reached = _at_least(syncs, 20) if fast <= 1000 else f"an fsync takes {1000 / fast:.2f} ms here"
    told = record.spread("P-1", "tsunagi", "events_per_sync")
    yield Row("P-1", f"events a sync of the log: {told}", _times(syncs, "{:.0f}"), "20 where an fsync takes 1 ms", reached)
    for name, unit in (("wal_bytes", "log bytes"), ("commits", "commits")):
        yield Row("P-1", f"{unit} an event: {record.spread('P-1', 'tsunagi', name)}", "", "", "")
    behind = record.median("P-1", "tsunagi", "published_after_seconds")
    told = record.spread("P-1", "tsunagi", "published_after_seconds")
    yield Row("P-1", f"seconds until all is published: {told}", _times(behind, "{:.2f}"), "1", _at_most(behind, 1))

    handled = record.spread("P-1 consuming", "tsunagi", "handled_per_second")
    told = record.spread("P-1 consuming", "tsunagi", "per_second")
    ratio = _ratio(record.median("P-1 consuming", "tsunagi", "per_second"), record.median("P-1", PEER, "per_second"))
    yield Row("P-1", f"with consumers, acknowledged per second: {told}", _times(ratio), "5 x", _at_least(ratio, 5))
    behind = record.median("P-1 consuming", "tsunagi", "published_after_seconds")
    yield Row("P-1", "with consumers, seconds until all is published", _times(behind, "{:.2f}"), "1", _at_most(behind, 1))
    cpu = record.spread("P-1 consuming", "tsunagi", "cpu_us")
    drained = record.spread("P-1 consuming", "tsunagi", "handled_after_seconds")
    yield Row("P-1", f"with consumers, handled per second: {handled}; {drained} s behind; CPU µs: {cpu}", "", "", "")

    ours, peers = both("P-1 disturbed", "per_second")
    told = record.spread("P-1 disturbed", "tsunagi", "per_second")
    told += f" beside {record.spread('P-1 disturbed', PEER, 'per_second')}"
    yield Row("P-1", f"disturbed, acknowledged per second: {told}", _times(ours, "{:,.0f}"), "4,000", _at_least(ours, 4000))
    told = record.spread("P-1 disturbed", "tsunagi", "p99_ms")
    told += f" beside {record.spread('P-1 disturbed', PEER, 'p99_ms')}"
    yield Row("P-1", f"disturbed, p99, ms: {told}", "", "", "")


def _memory(record: Record) -> Iterator[Row]:
    cases = [run["case"] for run in record.runs if run["figure"] == "P-2"]
    for case in dict.fromkeys(cases):
        most = max(record.values("P-2", case, "resident_mib"))
        target, stretch = (30, 20) if case.endswith("idle") else (100, 60)
        yield Row("P-2", f"resident MiB, {case}", f"{most:.0f}", f"{target} ({stretch})", _at_most(most, target))


def _sending(record: Record) -> Iterator[Row]:
    faster = _ratio(record.median("P-4", "tsunagi", "per_second"), record.median("P-4", SENDING_PEER, "per_second"))
    told = f"{record.spread('P-4', 'tsunagi', 'per_second')} beside {record.spread('P-4', SENDING_PEER, 'per_second')}"
    yield Row("P-4", f"queue to accepted, per second: {told}", _times(faster), "4 x (8 x)", _at_least(faster, 4))
    for name, unit, target, stretch in (("cpu_us", "CPU µs", 110, 110), ("wal_bytes", "log bytes", 1000, 730)):
        ours = record.median("P-4", "tsunagi", name)
        told = f"{record.spread('P-4', 'tsunagi', name)} beside {record.spread('P-4', SENDING_PEER, name)}"
        what = f"{unit} a message, from the queue on: {told}"
        yield Row("P-4", what, _times(ours, "{:,.0f}"), f"{target:,} ({stretch})", _at_most(ours, target))
        filling = record.spread("P-4", "tsunagi", f"enqueue_{name}")
        filling += f" beside {record.spread('P-4', SENDING_PEER, f'enqueue_{name}')}"
        yield Row("P-4", f"{unit} a message, queueing (a call each; the peer in thousands): {filling}", "", "", "")
    yield Row("P-4", f"commits a message: {record.spread('P-4', 'tsunagi', 'commits')}", "", "", "")


def _live(record: Record) -> Iterator[Row]:
    slow = record.median("P-11", "tsunagi", "p99_ms")
    told = f"p50 {record.spread('P-11', 'tsunagi', 'p50_ms')}, p99 {record.spread('P-11', 'tsunagi', 'p99_ms')}"
    reached = _at_most(slow, 100)
    unseen = sum(run["messages"] - run["seen"] for run in record.runs if run["figure"] == "P-11")
    if unseen:
        reached = f"no: {unseen:,} messages were not seen in time"
    what = f"written to seen by staff at 200 per second, ms: {told}"
    yield Row("P-11", what, _times(slow, "{:.0f}"), "100 (30)", reached)


def _decisions(record: Record) -> Iterator[Row]:
    few, many = (f"P-3 {customers}" for customers in CUSTOMERS)
    for figure, customers in zip((few, many), CUSTOMERS, strict=True):
        share = _ratio(record.median(figure, "tsunagi", "per_second"), record.median(figure, "pgbench", "per_second"))
        told = f"{record.spread(figure, 'tsunagi', 'per_second')} beside {record.spread(figure, 'pgbench', 'per_second')}"
        what = f"link decisions per second among {customers:,} customers: {told}"
        yield Row("P-3", what, _times(share), "0.5 x (0.7 x)", _at_least(share, 0.5))
    dearer = _ratio(record.median(many, "tsunagi", "cpu_us"), record.median(few, "tsunagi", "cpu_us"))
    told = f"{record.spread(few, 'tsunagi', 'cpu_us')}, then {record.spread(many, 'tsunagi', 'cpu_us')}"
    yield Row("P-3", f"CPU µs a decision among few, then many: {told}", _times(dearer), "1.3 x (1.1 x)", _at_most(dearer, 1.3))


def worse(record: Record) -> list[str]:
    """The bounds that are broken."""
    found = []
    for bound in BOUNDS:
        median = record.median(bound.figure, "tsunagi", bound.name)
        if median is not None and median > bound.most:
            found.append(f"{bound.figure}: {bound.name} is {median:,.1f} an event, at most {bound.most:,.1f}")
    return found


def write(record: Record, path: Path, tell: Callable[[str], None] = print) -> int:
    """Writes the table, prints it, and tells whether a bound is broken."""
    lines = ["| figure | what: median [least..most] | measured | target (stretch) | reached |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {r.figure} | {r.what} | {r.measured} | {r.target} | {r.reached} |" for r in rows(record)]
    syncs = [run[name] for run in record.runs for name in ("fsync_before", "fsync_after") if name in run]
    if syncs:
        stolen = sum(run.get("stolen_seconds", 0) for run in record.runs)
        others = max((run["others_cpus"] for run in record.runs if "others_cpus" in run), default=0.0)
        lines += ["", f"The disk took {min(syncs):,} to {max(syncs):,} fsyncs a second beside the runs; {stolen:.1f} s of CPU "]
        lines[-1] += f"time were stolen in all; other programs kept up to {others} processors busy. Raw runs: {record.path.name}."
    broken = worse(record)
    lines += ["", *(f"Worse than it was: {one}" for one in broken)] if broken else []
    text = "\n".join(lines) + "\n"
    path.write_text(text, encoding="utf-8")
    tell("\n" + text)
    return 1 if broken else 0
