"""R-8: many times the connections of P-1: what is refused, how much memory it takes, and how the rate is afterwards."""

from harness import webhooks
from harness.bench import Bench, until
from harness.generator import Generator

# P-1's connections, ten times and a hundred times as many.
CONNECTIONS = (64, 640, 6400)
INGEST = "webhook-ingest"
KEPT = "select count(*) from ingest.seen_event"


def measure(bench: Bench) -> None:
    """A flood, and P-1's load behind each, by which it is seen that everything is as before."""
    for _ in range(bench.plan.runs):
        for connections in CONNECTIONS:
            _load(bench, f"{connections} connections", connections)
        _load(bench, "64 connections again", CONNECTIONS[0])


def _load(bench: Bench, case: str, connections: int) -> None:
    bench.stage.only(INGEST)
    told = bench.stage.told
    generator = Generator(bench.generator.program, bench.users, connections)
    with bench.disk() as disk:
        memory = webhooks.Memory({INGEST: bench.stage.processes[INGEST]})
        before = bench.stage.number(KEPT)
        load = generator.run(told["webhook_url"], told["channel_secret"], told["bot_user_id"], bench.plan.seconds)
        webhooks.rest(bench)
        acknowledged = load["requests"] - load["refused"]
        # What waits in the spill moves yet.
        until(webhooks.CAUGHT_UP_WITHIN, lambda: bench.stage.number(KEPT) - before >= acknowledged, every=0.5)
        kept = bench.stage.number(KEPT) - before
        most = memory.stop()
    # What a connection had under way when the load ended is kept, and was acknowledged to nobody.
    lost = max(0, acknowledged - kept)
    bench.record.add("R-8", case, **load, kept=kept, lost=lost, resident_mib=round(most[INGEST], 1), **disk)
