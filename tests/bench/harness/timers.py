"""P-8 and P-9: timers due at one instant, and one after the other, until a consumer has committed that it heard of them."""

import json
import statistics

from harness import machine
from harness.bench import Bench, Cost, Meter, until
from harness.peers import go, said

SCHEDULER = "scheduler"
GRAPHILE, PGBOSS, FLOOR = "graphile-worker", "pg-boss", "DELETE … RETURNING"
PEERS = {GRAPHILE: "timers-graphile.mjs", PGBOSS: "timers-pgboss.mjs"}
# How many timers a second at the steady rate, and for how long.
PER_SECOND, SECONDS = 1_000, 20
# Seconds between the last timer made and the instant, for what is counted to settle.
QUIET = 8.0
WITHIN = 900
# Until then it takes to read what making cost, and to begin anew.
READ_WITHIN = 4.0
# Calls and connections that are there before anything is measured.
WARM_UP = 20_000


class Unsound(Exception):
    """A run whose figures would mean nothing."""


def prepare(bench: Bench) -> float:
    """Has somebody listen, makes the tenants, and tells how many timers a second are made."""
    bench.stage.only(SCHEDULER)
    bench.stage.ask("listen", tenants=bench.plan.timer_tenants)
    made = bench.stage.ask("timers", count=WARM_UP, ahead_seconds=5.0)
    told_of(bench, WARM_UP, heard_of(bench, WARM_UP))
    return WARM_UP / made["seconds"]


def burst(bench: Bench) -> None:
    """P-8: the project, its peers and the floor in turn."""
    rate = prepare(bench)
    for _ in range(bench.plan.runs):
        rate = instant(bench, rate)
        for peer in PEERS:
            _peer(bench, peer, "P-8", bench.plan.peer_timers, every_us=0)
        floor(bench)


def steady(bench: Bench) -> None:
    """P-9: the project and its peers in turn."""
    prepare(bench)
    for _ in range(bench.plan.runs):
        pace(bench)
        for peer in PEERS:
            _peer(bench, peer, "P-9", PER_SECOND * SECONDS, every_us=1_000_000 // PER_SECOND)


def heard_of(bench: Bench, count: int) -> dict:
    """Waits until `count` timers were heard."""
    return bench.stage.ask("heard", count=count, within_seconds=WITHIN)


def told_of(bench: Bench, count: int, heard: dict) -> dict:
    """What is told of the timers heard, when each of `count` was heard once; and how many were said too early."""
    kept = "(select unnest(keys) as key, unnest(due) as due, tenant_id, event_id from hearing.heard) h"
    events = f"{kept} join scheduler.outbox o using (tenant_id, event_id)"
    distinct = bench.stage.number(f"select count(distinct (tenant_id, key)) from {kept}")
    early = bench.stage.number(f"select count(*) from {events} where o.created_at < h.due")
    bench.stage.query("truncate hearing.heard")
    if heard["heard"] != count or distinct != count or heard["missed"]:
        raise Unsound(f"{count} timers were made, {distinct} were heard: {json.dumps(heard)}")
    return {**rounded(heard), "early": early}


def published(bench: Bench) -> None:
    until(60, lambda: bench.stage.number("select count(*) from scheduler.outbox_pending") == 0, every=0.05)


def make(bench: Bench, count: int, rate: float) -> tuple[dict, Cost, Meter]:
    """Makes timers for an instant that lies behind their making, which is done at about `rate`; later where that was too soon."""
    while True:
        meter = Meter(bench, bench.roots(SCHEDULER))
        made = bench.stage.ask("timers", count=count, ahead_seconds=QUIET + 1.6 * count / rate)
        cost = meter.stop()
        if made["left"] > READ_WITHIN:
            return made, cost, meter
        told_of(bench, count, heard_of(bench, count))
        rate = min(rate / 2, count / made["seconds"])


def instant(bench: Bench, rate: float) -> float:
    """Timers of all tenants, made for one instant that lies behind their making. Gives the rate at which they were made."""
    bench.stage.only(SCHEDULER)
    count = bench.plan.timers
    with bench.disk() as disk:
        roots = bench.roots(SCHEDULER)
        made, filled, _ = make(bench, count, rate)
        # Statistics as autovacuum would have gathered them by then.
        bench.stage.query("analyze scheduler.timer")
        firing = Meter(bench, roots)
        heard = heard_of(bench, count)
        published(bench)
        worked = firing.stop()
    bench.record.add(
        "P-8",
        "tsunagi",
        count=count,
        tenants=bench.plan.timer_tenants,
        **told_of(bench, count, heard),
        per_second=round(count / heard["seconds"], 1),
        make_per_second=round(count / made["seconds"], 1),
        **worked.of(count),
        **{f"make_{name}": value for name, value in filled.of(count).items()},
        others_cpus=firing.others,
        stolen_seconds=firing.stolen,
        **disk,
    )
    memory = machine.resident_mebibytes(bench.stage.processes[SCHEDULER])
    bench.record.add("P-2", f"{SCHEDULER} loaded", resident_mib=round(memory, 1))
    return count / made["seconds"]


def floor(bench: Bench) -> None:
    """As many rows, deleted with nothing said of them."""
    bench.stage.only()
    with bench.disk() as disk:
        meter = Meter(bench, {"postgres": bench.postmaster})
        told = bench.stage.ask("floor", count=bench.plan.timers)
        meter.stop()
    seconds, count = told["seconds"], told["count"]
    bench.record.add(
        "P-8",
        FLOOR,
        count=count,
        seconds=round(seconds, 3),
        per_second=round(count / seconds, 1),
        others_cpus=meter.others,
        stolen_seconds=meter.stolen,
        **disk,
    )


def pace(bench: Bench) -> None:
    """Timers that are made and due at a steady rate; how late each is, by the database's clock where it is said, and by the clock it
    shares with this machine where the consumer has committed."""
    bench.stage.only(SCHEDULER)
    late_by = "select extract(epoch from o.created_at - h.due) * 1000 from scheduler.outbox o join (select tenant_id, event_id,"
    late_by += " unnest(due) as due from hearing.heard) h using (tenant_id, event_id) where h.due >= "
    with bench.disk() as disk:
        meter = Meter(bench, bench.roots(SCHEDULER))
        told = bench.stage.ask("pace", per_second=PER_SECOND, seconds=SECONDS)
        published(bench)
        cost = meter.stop()
    late = sorted(float(row[0]) for row in bench.stage.query(f"{late_by}'{told['since']}'"))
    bench.stage.query("truncate hearing.heard")
    if told["heard"] != told["count"] or told["missed"]:
        raise Unsound(f"not every timer was heard: {json.dumps(told)}")
    bench.record.add(
        "P-9",
        "tsunagi",
        **rounded(told),
        early=sum(1 for ms in late if ms < 0),
        said_p50_ms=round(statistics.median(late), 2),
        said_p99_ms=round(late[min(len(late) - 1, len(late) * 99 // 100)], 2),
        said_max_ms=round(late[-1], 2),
        **cost.of(told["count"]),
        others_cpus=meter.others,
        stolen_seconds=meter.stolen,
        **disk,
    )


def rounded(heard: dict) -> dict:
    """The same, as one reads it."""
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in heard.items()}


def _peer(bench: Bench, case: str, figure: str, count: int, every_us: int) -> None:
    """A job queue on the same Postgres, its jobs due as the project's timers are."""
    bench.stage.only()
    bench.stage.query("drop database if exists bench_peer with (force)")
    bench.stage.query("create database bench_peer")
    url, _, _ = bench.stage.told["database_url"].rpartition("/")
    # Neither peer keeps fewer jobs a second.
    ahead = QUIET + count / 4_000
    with bench.disk() as disk:
        process = bench.peers.timers(PEERS[case], f"{url}/bench_peer", count, every_us, ahead)
        roots = {"node": process.pid, "postgres": bench.postmaster}
        said(process)
        making = Meter(bench, roots)
        go(process)
        made = said(process)
        filled = making.stop()
        working = Meter(bench, roots)
        go(process)
        told = said(process)
        worked = working.stop()
        process.wait(timeout=60)
    if told["count"] != count or made["left"] < 1.0:
        raise Unsound(f"{case}: {json.dumps(made)} {json.dumps(told)}")
    bench.record.add(
        figure,
        case,
        **rounded(told),
        per_second=round(count / told["seconds"], 1),
        make_per_second=round(count / made["seconds"], 1),
        **worked.of(count),
        **{f"make_{name}": value for name, value in filled.of(count).items()},
        others_cpus=working.others,
        stolen_seconds=working.stolen,
        **disk,
    )
    bench.stage.query("drop database bench_peer with (force)")
