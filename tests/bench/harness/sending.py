"""P-4: messages that wait in the queue, until the simulator has accepted every one of them."""

import json
import time

from harness.bench import Bench, Meter, until
from harness.peers import go, said
from harness.webhooks import ALL

MESSAGING = "messaging-outbox"
WITHIN = 300


class Unsound(Exception):
    """A run whose figures would mean nothing."""


def prepare(bench: Bench) -> dict:
    """Accounts, friends, and a conversation with each."""
    bench.stage.only(*ALL)
    bench.rest()
    plan = bench.plan
    return bench.stage.ask("lanes", tenants=plan.tenants, accounts=plan.accounts, friends=plan.friends)


def measure(bench: Bench) -> None:
    lanes = prepare(bench)
    bench.rest()
    bench.stage.only(MESSAGING)
    # Once unmeasured: every account gets its lane, every connection is made.
    bench.stage.ask("books")
    _sent(bench, bench.stage.ask("enqueue")["count"])
    _settled(bench)
    for _ in range(bench.plan.runs):
        project(bench)
        peer(bench, lanes)


def _sent(bench: Bench, count: int) -> dict:
    books = bench.stage.ask("accepted", count=count, within_seconds=WITHIN)
    if books["accepted"] != count or books["duplicates"]:
        raise Unsound(f"{count} messages were queued; the simulator's books say {json.dumps(books)}")
    return books


def _settled(bench: Bench) -> None:
    until(WITHIN, lambda: bench.stage.number("select count(*) from messaging.send") == 0, every=0.1)


def project(bench: Bench) -> None:
    """Held back while the queue fills as another replica would hold them: somebody else has the lanes. Then given back."""
    bench.stage.only(MESSAGING)
    bench.stage.ask("books")
    until(30, lambda: bench.stage.number("select count(*) from messaging.lane where holder is not null") == 0)
    bench.stage.query("update messaging.lane set holder = gen_random_uuid(), lease_until = 'infinity'")
    with bench.disk() as disk:
        roots = bench.roots(MESSAGING)
        filling = Meter(bench, roots)
        queued = bench.stage.ask("enqueue")
        filled = filling.stop()
        if bench.stage.ask("accepted", count=0, within_seconds=0)["accepted"]:
            raise Unsound("messages left while they were to be held back")
        working = Meter(bench, roots)
        begun = time.monotonic()
        bench.stage.query("update messaging.lane set holder = null")
        _sent(bench, queued["count"])
        seconds = time.monotonic() - begun
        _settled(bench)
        worked = working.stop()
    _add(bench, "tsunagi", queued, filled, worked, seconds, working, disk)


def peer(bench: Bench, lanes: dict) -> None:
    """graphile-worker, tuned, each job a push through LINE's Node SDK, on the same Postgres and simulator."""
    bench.stage.only()
    bench.stage.ask("books")
    bench.stage.query("drop database if exists bench_peer with (force)")
    bench.stage.query("create database bench_peer")
    url, _, _ = bench.stage.told["database_url"].rpartition("/")
    with bench.disk() as disk:
        process = bench.peers.queue(
            f"{url}/bench_peer", bench.stage.told["line_url"], lanes["conversations"], lanes["accounts"]
        )
        roots = {"node": process.pid, "postgres": bench.postmaster}
        said(process)
        filling = Meter(bench, roots)
        go(process)
        queued = said(process)
        filled = filling.stop()
        working = Meter(bench, roots)
        go(process)
        worked_for = said(process)
        worked = working.stop()
        process.wait(timeout=60)
    _sent(bench, queued["count"])
    _add(bench, "graphile-worker + Node SDK", queued, filled, worked, worked_for["seconds"], working, disk)
    bench.stage.query("drop database bench_peer with (force)")


def _add(bench: Bench, case: str, queued: dict, filled, worked, seconds: float, meter: Meter, disk: dict) -> None:
    count = queued["count"]
    filling = {f"enqueue_{name}": value for name, value in filled.of(count).items()}
    bench.record.add(
        "P-4",
        case,
        count=count,
        seconds=round(seconds, 3),
        per_second=round(count / seconds, 1),
        total_per_second=round(count / (seconds + queued["seconds"]), 1),
        enqueue_per_second=round(count / queued["seconds"], 1),
        **worked.of(count),
        **filling,
        others_cpus=meter.others,
        stolen_seconds=meter.stolen,
        **disk,
    )
