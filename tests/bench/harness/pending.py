"""P-10: what a timer costs, from its making until it is published, while few others wait and while very many do."""

import json
import re

from harness import replay
from harness.bench import Bench, Meter
from harness.timers import SCHEDULER, Unsound, heard_of, make, prepare, published, told_of

# Timers of a run: enough that what the service does without any weighs little.
EACH = 20_000
ROLES = ("scheduler", "scheduler_worker")
STATEMENT = re.compile(r"LOG:  duration: [\d.]+ ms  (?:statement|execute )")


def measure(bench: Bench) -> None:
    """The same timers beside more and more others, which stay."""
    rate = prepare(bench)
    waiting = 0
    for others in bench.plan.pending:
        bench.stage.ask("others", **{"from": waiting, "to": others})
        waiting = others
        # Writing them out would otherwise be counted among what the timers cost.
        bench.stage.query("checkpoint")
        # With plans made for what is there now.
        bench.stage.stop(SCHEDULER)
        said = _statements(bench, rate)
        for _ in range(bench.plan.runs):
            rate = _run(bench, others, rate, said)
    bench.stage.only()
    bench.stage.query("truncate scheduler.timer")


def _run(bench: Bench, others: int, rate: float, said: float) -> float:
    """Makes timers and waits until they are heard of. Gives the rate at which they were made."""
    bench.stage.only(SCHEDULER)
    with bench.disk() as disk:
        roots = bench.roots(SCHEDULER)
        before = _read(bench)
        made, filled, making = make(bench, EACH, rate)
        firing = Meter(bench, roots)
        heard = heard_of(bench, EACH)
        published(bench)
        fired = firing.stop()
        read = _read(bench) - before
    told = told_of(bench, EACH, heard)
    cost = {name: filled.of(EACH)[name] + fired.of(EACH)[name] for name in ("cpu_us", "wal_bytes", "commits")}
    bench.record.add(
        f"P-10 {others}",
        "tsunagi",
        count=EACH,
        **{name: round(value, 4) for name, value in cost.items()},
        statements=round(said, 4),
        rows_read=round(read / EACH, 2),
        make_cpu_us=filled.of(EACH)["cpu_us"],
        fire_cpu_us=fired.of(EACH)["cpu_us"],
        fire_cpu_us_of=fired.of(EACH)["cpu_us_of"],
        make_per_second=round(EACH / made["seconds"], 1),
        seconds=told["seconds"],
        early=told["early"],
        others_cpus=round(max(making.others, firing.others), 2),
        stolen_seconds=round(making.stolen + firing.stolen, 2),
        **disk,
    )
    return EACH / made["seconds"]


def _read(bench: Bench) -> int:
    """Rows the tables of the service have been read for so far, by whatever way."""
    return bench.stage.number(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_user_tables where schemaname = 'scheduler'"
    )


def _statements(bench: Bench, rate: float) -> float:
    """How many statements the service says for each timer: counted in the server's log, in a run that is not measured."""
    log = replay.server_log(bench.postmaster)
    for role in ROLES:
        bench.stage.query(f"alter role {role} set log_min_duration_statement = 0")
    try:
        bench.stage.start(SCHEDULER)
        begin = log.stat().st_size
        bench.stage.ask("timers", count=EACH, ahead_seconds=2 + 3 * EACH / rate)
        told_of(bench, EACH, heard_of(bench, EACH))
        bench.stage.stop(SCHEDULER)
    finally:
        for role in ROLES:
            bench.stage.query(f"alter role {role} reset log_min_duration_statement")
    with log.open(encoding="utf-8", errors="replace") as text:
        text.seek(begin)
        said = sum(1 for line in text if STATEMENT.search(line))
    if not said:
        raise Unsound(f"the server logged no statement: {json.dumps(str(log))}")
    return said / EACH
