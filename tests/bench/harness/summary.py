"""The table at the end: every figure beside its target, and the bounds that may fail a check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.decisions import CUSTOMERS
from harness.record import Record
from harness.timers import FLOOR, GRAPHILE, PGBOSS

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
    Bound("P-8", "cpu_us", 18),
    Bound("P-8", "wal_bytes", 260),
    Bound("P-8", "commits", 0.01),
    Bound("P-9", "cpu_us", 900),
    Bound("P-9", "commits", 1),
    *(Bound(f"P-10 {others}", "statements", 0.8) for others in (10_000, 100_000, 1_000_000, 10_000_000)),
    # A plan that reads the table reads 50 and 500.
    Bound("P-10 1000000", "rows_read", 20),
    Bound("P-10 10000000", "rows_read", 200),
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
    yield from _overload(record)
    yield from _sending(record)
    yield from _live(record)
    yield from _decisions(record)
    yield from _instant(record)
    yield from _pace(record)
    yield from _pending(record)


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


def _overload(record: Record) -> Iterator[Row]:
    for case in dict.fromkeys(run["case"] for run in record.runs if run["figure"] == "R-8"):
        told = ", ".join(f"{record.spread('R-8', case, name)} {name}" for name in ("per_second", "p99_ms", "refused", "broken", "timeouts"))
        most = max(record.values("R-8", case, "resident_mib"))
        lost = max(record.values("R-8", case, "lost"))
        yield Row("R-8", f"{case}: {told}; {most:.0f} MiB; acknowledged and lost", f"{lost:.0f}", "0", _at_most(lost, 0))


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


def _instant(record: Record) -> Iterator[Row]:
    def beside(name: str) -> str:
        peers = " and ".join(f"{record.spread('P-8', peer, name)} ({peer})" for peer in (GRAPHILE, PGBOSS))
        return f"{record.spread('P-8', 'tsunagi', name)} beside {peers}"

    ours = record.median("P-8", "tsunagi", "per_second")
    faster = _ratio(ours, record.median("P-8", GRAPHILE, "per_second"))
    what = f"timers due at one instant, committed by a consumer per second: {beside('per_second')}"
    yield Row("P-8", what, _times(faster), "3 x", _at_least(faster, 3))
    share = _ratio(ours, record.median("P-8", FLOOR, "per_second"))
    what = f"the same beside {FLOOR}: {record.spread('P-8', FLOOR, 'per_second')}"
    yield Row("P-8", what, _times(share), "(0.6 x)", _at_least(share, 0.6))
    seconds = record.median("P-8", "tsunagi", "seconds")
    counts = " and ".join(f"{count:,.0f}" for count in dict.fromkeys(record.values("P-8", "tsunagi", "count"))) or "–"
    what = f"seconds until all {counts} are committed: {record.spread('P-8', 'tsunagi', 'seconds')}"
    yield Row("P-8", what, _times(seconds, "{:.1f}"), "40 (12) for 1,000,000", _at_most(seconds, 40))
    for name, unit in (("cpu_us", "CPU µs"), ("wal_bytes", "log bytes")):
        yield Row("P-8", f"{unit} a timer, from its moment on: {beside(name)}", "", "", "")
        yield Row("P-8", f"{unit} a timer, making: {beside('make_' + name)}", "", "", "")
    yield Row("P-8", f"timers made per second: {beside('make_per_second')}", "", "", "")
    yield from _early(record, "P-8")


def _early(record: Record, figure: str) -> Iterator[Row]:
    early = record.values(figure, "tsunagi", "early")
    many = sum(early) if early else None
    yield Row(figure, "timers said early by the database's clock", _times(many, "{:.0f}"), "0", _at_most(many, 0))


def _pace(record: Record) -> Iterator[Row]:
    slow = record.median("P-9", "tsunagi", "p99_ms")
    middle = record.spread("P-9", "tsunagi", "p50_ms")
    told = f"p50 {middle}, p99 {record.spread('P-9', 'tsunagi', 'p99_ms')}, most {record.spread('P-9', 'tsunagi', 'max_ms')}"
    what = f"due to committed by a consumer at 1,000 per second, ms: {told}"
    yield Row("P-9", what, _times(slow, "{:.0f}"), "100 (50; p50 10)", _at_most(slow, 100))
    for name in ("p50", "p99", "max"):
        peers = ", ".join(f"{record.spread('P-9', peer, name + '_ms')} ({peer})" for peer in (GRAPHILE, PGBOSS))
        what = f"due to said, {name}, ms: {record.spread('P-9', 'tsunagi', 'said_' + name + '_ms')}; due to run by a peer: {peers}"
        yield Row("P-9", what, "", "", "")
    peers = ", ".join(f"{record.spread('P-9', peer, 'cpu_us')} ({peer})" for peer in (GRAPHILE, PGBOSS))
    what = f"CPU µs a timer at that rate, made in calls of 20: {record.spread('P-9', 'tsunagi', 'cpu_us')}; a peer's job run: {peers}"
    yield Row("P-9", what, "", "", "")
    yield from _early(record, "P-9")


def _pending(record: Record) -> Iterator[Row]:
    figures = list(dict.fromkeys(run["figure"] for run in record.runs if run["figure"].startswith("P-10 ")))
    few, many = (figures[0], figures[-1]) if figures else ("P-10", "P-10")
    among = ", ".join(f"{int(figure.split()[1]):,}" for figure in figures) or "–"
    for name, unit, shape in (("cpu_us", "CPU µs", "1.3 x (1.1 x)"), ("wal_bytes", "log bytes", "")):
        dearer = _ratio(record.median(many, "tsunagi", name), record.median(few, "tsunagi", name))
        told = "; ".join(record.spread(figure, "tsunagi", name) for figure in figures)
        what = f"{unit} a timer, made, said and heard, with {among} others: {told}"
        yield Row("P-10", what, _times(dearer), shape, _at_most(dearer, 1.3) if shape else "")
    for name, unit in (("statements", "statements"), ("rows_read", "rows read"), ("commits", "commits")):
        told = "; ".join(record.spread(figure, "tsunagi", name) for figure in figures)
        yield Row("P-10", f"{unit} a timer: {told}", "", "", "")


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
