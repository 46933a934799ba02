"""P-3: link decisions through gRPC, beside a replay of their statements by pgbench."""

from pathlib import Path

from harness import replay
from harness.bench import Bench, Meter, until

IDENTITY = "identity-linking"
CUSTOMERS = (10_000, 1_000_000)
CLIENTS = 8
# Decisions of a client before each run and in it.
WARM_UP, EACH = 25, 150
ROLE = "identity"


class Unsound(Exception):
    """A run whose figures would mean nothing."""


def measure(bench: Bench) -> None:
    """Among few customers, then among many."""
    bench.stage.only(IDENTITY)
    runs = bench.plan.runs
    # One for the log to be warm with, one to be logged; then every run with a warm-up of its own, on both sides.
    wanted = 2 + 2 * runs * CLIENTS * (WARM_UP + EACH)
    before = 0
    for customers in CUSTOMERS:
        bench.stage.ask("customers", count=customers)
        bench.postgres.settle()
        stride = (customers - before) // wanted
        if not stride:
            raise Unsound(f"{customers} customers are too few for {runs} runs")
        held = Held(bench.stage.ask("held", count=wanted, customer=before, stride=stride)["first"])
        script = _script(bench, held.take(2))
        for _ in range(runs):
            project(bench, customers, held)
            peer(bench, customers, held, script)
        before = customers


class Held:
    """Attempts that are held, by number: each is decided once."""

    def __init__(self, first: int) -> None:
        self.next = first

    def take(self, count: int) -> range:
        taken = range(self.next, self.next + count)
        self.next += count
        return taken


def _links(bench: Bench) -> int:
    return bench.stage.number("select count(*) from identity.link")


def _published(bench: Bench) -> None:
    until(60, lambda: bench.stage.number("select count(*) from identity.outbox_pending") == 0, every=0.05)


def _script(bench: Bench, two: range) -> Path:
    """The statements of a decision, from the server's log: of the second, when every statement has been prepared."""
    # The script looks its values up in a table that is nobody's of the service.
    bench.stage.query(f"grant usage on schema public to {ROLE}")
    log = replay.server_log(bench.postmaster)
    bench.stage.stop(IDENTITY)
    bench.stage.query(f"alter role {ROLE} set log_min_duration_statement = 0")
    try:
        bench.stage.start(IDENTITY)
        begin = log.stat().st_size
        for number in two:
            bench.stage.ask("reconsider", first=number, count=1, callers=1)
        bench.stage.stop(IDENTITY)
    finally:
        bench.stage.query(f"alter role {ROLE} reset log_min_duration_statement")
    bench.stage.start(IDENTITY)
    columns = ("attempt", "friend", "line_user", "customer", "mobile", "exact", "variant")
    other, row = bench.stage.query(
        f"select {', '.join(columns)} from bench_decision where number in ({two[0]}, {two[1]}) order by number"
    )
    # The name in its parts is another's than the key where they differ; the key alone is compared.
    names = {value: name for name, value in zip(columns, row, strict=True) if value}
    with log.open(encoding="utf-8", errors="replace") as text:
        text.seek(begin)
        logged = text.read()
    said = replay.statements(logged, row[0])
    fixed = replay.constants(said) & replay.constants(replay.statements(logged, other[0]))
    look_up = f"SELECT {', '.join(columns)}, '' AS {replay.EMPTY} FROM public.bench_decision WHERE number = :number"
    path = bench.record.path.parent / "decision.sql"
    path.write_text(replay.script(said, names, fixed, look_up), encoding="utf-8")
    bench.record.add("P-3 statements", "tsunagi", statements=len(said), log_bytes=log.stat().st_size - begin)
    return path


def _ours(bench: Bench, numbers: range) -> dict:
    return bench.stage.ask("reconsider", first=numbers[0], count=len(numbers), callers=CLIENTS)


def _replay(bench: Bench, script: Path, numbers: range, each: int) -> dict:
    """With the service away, that publishes what others wrote; and without a trace in its outbox."""
    bench.stage.only()
    mark = bench.stage.number("select coalesce(max(sequence), 0) from identity.outbox")
    pgbench = Path(f"/proc/{bench.postmaster}/exe").resolve().parent / "pgbench"
    variables = {"i": -1, "first": numbers[0], "each": each}
    links = _links(bench)
    told = replay.run(pgbench, bench.stage.told["database_url"], ROLE, script, variables, CLIENTS, each)
    if _links(bench) != links + len(numbers):
        raise Unsound(f"{len(numbers)} replayed decisions made {_links(bench) - links} links")
    bench.stage.query(f"delete from identity.outbox_pending where sequence > {mark}")
    bench.stage.query(f"delete from identity.outbox where sequence > {mark}")
    return told


def project(bench: Bench, customers: int, held: Held) -> None:
    """Each attempt decided by one call, committed; its events are published meanwhile."""
    bench.stage.only(IDENTITY)
    _ours(bench, held.take(CLIENTS * WARM_UP))
    numbers = held.take(CLIENTS * EACH)
    with bench.disk() as disk:
        meter = Meter(bench, bench.roots(IDENTITY))
        told = _ours(bench, numbers)
        _published(bench)
        cost = meter.stop()
    _add(bench, customers, "tsunagi", told["count"], told["count"] / told["seconds"], cost, meter, disk)


def peer(bench: Bench, customers: int, held: Held, script: Path) -> None:
    """The same statements by pgbench, as the service's role under row-level security."""
    _replay(bench, script, held.take(CLIENTS * WARM_UP), WARM_UP)
    numbers = held.take(CLIENTS * EACH)
    with bench.disk() as disk:
        meter = Meter(bench, {"postgres": bench.postmaster})
        told = _replay(bench, script, numbers, EACH)
        cost = meter.stop()
    _add(bench, customers, "pgbench", told["count"], told["per_second"], cost, meter, disk)


def _add(bench: Bench, customers: int, case: str, count: int, rate: float, cost, meter: Meter, disk: dict) -> None:
    bench.record.add(
        f"P-3 {customers}",
        case,
        count=count,
        per_second=round(rate, 1),
        **cost.of(count),
        others_cpus=meter.others,
        stolen_seconds=meter.stolen,
        **disk,
    )
