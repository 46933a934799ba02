"""What every figure is taken with: the servers, the platform, the peers, the generator, the record."""

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import machine
from harness.broker import Broker
from harness.generator import Generator
from harness.peers import Peers
from harness.record import Record
from harness.stage import Stage
from harness.store import Postgres, Work


@dataclass
class Plan:
    """How long and how often."""

    runs: int
    seconds: int
    warm_up: int = 2
    tenants: int = 20
    accounts: int = 50
    friends: int = 10
    timers: int = 1_000_000
    timer_tenants: int = 1_000
    # How many others wait while the cost of a timer is taken.
    pending: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)

    @staticmethod
    def asked() -> "Plan":
        """RUNS, SECONDS, TIMERS and PENDING of the environment."""
        plan = Plan(runs=int(os.environ.get("RUNS", "3")), seconds=int(os.environ.get("SECONDS", "6")))
        plan.timers = int(os.environ.get("TIMERS", plan.timers))
        if asked := os.environ.get("PENDING"):
            plan.pending = tuple(int(one) for one in asked.split(","))
        return plan

    @property
    def peer_timers(self) -> int:
        """A peer's jobs: fewer, for it takes them more slowly, and a smaller table is to its advantage."""
        return max(1, self.timers // 5)


@dataclass
class Cost:
    """What a run cost the machine."""

    span: machine.Span
    work: Work
    # CPU seconds of each process tree by name.
    parts: dict[str, float]

    def of(self, events: int) -> dict[str, object]:
        """The same, for each of `events`."""
        events = max(events, 1)
        return {
            "cpu_us_of": {name: round(seconds * 1e6 / events, 1) for name, seconds in self.parts.items()},
            "cpu_us": round(self.span.cpu_seconds * 1e6 / events, 1),
            "wal_bytes": round(self.work.wal_bytes / events, 1),
            "commits": round(self.work.commits / events, 4),
            "events_per_sync": round(events / max(self.work.wal_syncs, 1), 1),
        }


class Meter:
    """Counts from its making until `stop`, for the processes below `roots`, each by its name."""

    def __init__(self, bench: "Bench", roots: dict[str, int]) -> None:
        self.bench = bench
        self.before = bench.postgres.work()
        self.parts = {name: machine.Watch([root]) for name, root in roots.items()}
        self.watch = machine.Watch(list(roots.values()))
        # Everything the run started, this program and its children, and the servers.
        self.own = machine.Watch([os.getpid(), bench.postmaster])

    def stop(self) -> Cost:
        parts = {name: watch.stop().cpu_seconds for name, watch in self.parts.items()}
        span, own = self.watch.stop(), self.own.stop()
        self.others = round(own.others(own.cpu_seconds), 2)
        self.stolen = round(own.stolen_seconds, 2)
        return Cost(span, self.bench.postgres.work() - self.before, parts)


class Bench:
    """The servers and everything on them."""

    def __init__(self, plan: Plan, folder: Path, room: Path, programs: Path, generator: Path) -> None:
        self.plan, self.room = plan, room
        self.record = Record(folder)
        self.peers = Peers(folder / "peers")
        self.broker = Broker(room / "nats")
        try:
            environment = {"TSUNAGI_TEST_NATS_URL": self.broker.url}
            self.stage = Stage(programs / "bench-stage", environment, folder / "logs")
        except BaseException:
            self.broker.stop()
            raise
        self.postgres = Postgres(self.stage.query)
        self.postmaster = self.postgres.postmaster()
        self.users = room / "users"
        self.generator = Generator(generator, self.users)

    def roots(self, *services: str) -> dict[str, int]:
        """The process trees an event costs: these services, Postgres, NATS."""
        stores = {"postgres": self.postmaster, "nats": self.broker.process.pid}
        return {**{service: self.stage.processes[service] for service in services}, **stores}

    def stream(self, name: str) -> str:
        """The platform's own name of a stream."""
        return f"{self.stage.told['nats_prefix']}_{name}"

    def is_handled(self) -> bool:
        """Whether nothing is left to do: nothing in the streams, nothing put aside, no profile to be read."""
        streams = ("LINE_WEBHOOK", "IDENTITY", "MESSAGING")
        if any(self.broker.pending(self.stream(name)) for name in streams):
            return False
        schemas = ("identity", "messaging")
        work = [f"select 1 from {schema}.parked_message where due_at is not null" for schema in schemas]
        work.append("select 1 from identity.profile_request where due_time < 'infinity'")
        return self.stage.number(f"select count(*) from (select from ({' union all '.join(work)}) w limit 1) one") == 0

    def rest(self, within: float = 900.0) -> None:
        """Waits until nothing of the figures before is left to be handled."""
        if until(within, self.is_handled, every=0.2) >= within:
            raise TimeoutError(f"what came before is not handled after {within:.0f} s")

    @contextmanager
    def disk(self):
        """Notes how fast the disk syncs before and after."""
        self.postgres.settle()
        noted: dict[str, float] = {"fsync_before": round(machine.fsyncs_per_second(self.room))}
        yield noted
        noted["fsync_after"] = round(machine.fsyncs_per_second(self.room))

    def close(self) -> None:
        self.stage.close()
        self.broker.stop()


def until(within: float, look, every: float = 0.02) -> float:
    """Looks until `look` says yes; returns the seconds that took, or `within` when the time was up."""
    begun = time.monotonic()
    while time.monotonic() - begun < within:
        if look():
            return time.monotonic() - begun
        time.sleep(every)
    return within
