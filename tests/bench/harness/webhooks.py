"""P-1 and P-2: webhooks acknowledged, what each costs, and how much memory the services take meanwhile."""

import threading
import time
from contextlib import nullcontext

from harness import machine
from harness.bench import Bench, Meter, until
from harness.disturbance import Disturbance

ALL = ("identity-linking", "webhook-ingest", "messaging-outbox")
INGEST = "webhook-ingest"
# How long publication may take to catch up before a run goes on without it, and the consumers before a run is given up.
CAUGHT_UP_WITHIN = 120.0


def prepare(bench: Bench) -> None:
    """Friends who write."""
    users = bench.stage.ask("friends", count=5000)["user_ids"]
    bench.users.write_text("\n".join(users), encoding="ascii")


def idle(bench: Bench, seconds: float = 5.0) -> None:
    """P-2, idle: everything has just started and nothing happens."""
    bench.stage.only(*ALL)
    time.sleep(seconds)
    for service in ALL:
        mebibytes = machine.resident_mebibytes(bench.stage.processes[service])
        bench.record.add("P-2", f"{service} idle", resident_mib=round(mebibytes, 1))


def measure(bench: Bench) -> None:
    """P-1, interleaved: the project alone, the peer, the project with its consumers; then the same beside a busy neighbour."""
    for _ in range(bench.plan.runs):
        project(bench, "P-1", "tsunagi")
        peer(bench, "P-1", "node x2")
    for _ in range(max(1, bench.plan.runs - 1)):
        consuming(bench)
    for _ in range(max(1, bench.plan.runs - 1)):
        project(bench, "P-1 disturbed", "tsunagi", disturbed=True)
        peer(bench, "P-1 disturbed", "node x2", disturbed=True)


def _generate(bench: Bench, url: str, seconds: int) -> dict:
    told = bench.stage.told
    return bench.generator.run(url, told["channel_secret"], told["bot_user_id"], seconds)


def _messages(bench: Bench) -> int:
    return bench.broker.messages(bench.stream("LINE_WEBHOOK"))


def rest(bench: Bench) -> None:
    """Waits until nothing that was committed still has to be published."""
    until(CAUGHT_UP_WITHIN, lambda: bench.stage.number("select count(*) from ingest.publication") == 0, every=0.2)


def _publication(bench: Bench, before: int, events: int) -> dict[str, float]:
    """How far publication is behind just after the load has ended, and for how long still."""
    backlog = max(0, before + events - _messages(bench))
    seconds = until(CAUGHT_UP_WITHIN, lambda: _messages(bench) >= before + events)
    return {"backlog": backlog, "published_after_seconds": round(seconds, 2)}


def project(bench: Bench, figure: str, case: str, disturbed: bool = False) -> None:
    """webhook-ingest alone: its accounts are known, nobody consumes."""
    bench.stage.only(INGEST)
    url = bench.stage.told["webhook_url"]
    with bench.disk() as disk, Disturbance(bench.room) if disturbed else nullcontext():
        _generate(bench, url, bench.plan.warm_up)
        rest(bench)
        before, meter = _messages(bench), Meter(bench, bench.roots(INGEST))
        load = _generate(bench, url, bench.plan.seconds)
        events = load["requests"] - load["refused"]
        publication = _publication(bench, before, events)
        cost = meter.stop()
    bench.record.add(
        figure,
        case,
        **load,
        **cost.of(events),
        **publication,
        resident_mib=round(machine.resident_mebibytes(bench.stage.processes[INGEST]), 1),
        others_cpus=meter.others,
        stolen_seconds=meter.stolen,
        **disk,
    )


def peer(bench: Bench, figure: str, case: str, disturbed: bool = False) -> None:
    """LINE's Node SDK with two processes, on the same NATS."""
    bench.stage.only()
    running = bench.peers.webhook(bench.stage.told["channel_secret"], bench.broker.url, processes=2)
    try:
        with bench.disk() as disk, Disturbance(bench.room) if disturbed else nullcontext():
            _generate(bench, running.url, bench.plan.warm_up)
            meter = Meter(bench, {"node": running.process.pid, "nats": bench.broker.process.pid})
            load = _generate(bench, running.url, bench.plan.seconds)
            cost = meter.stop()
    finally:
        running.stop()
    answered = load["requests"] - load["refused"]
    spent = {name: value for name, value in cost.of(answered).items() if name.startswith("cpu_us")}
    bench.record.add(figure, case, **load, **spent, others_cpus=meter.others, stolen_seconds=meter.stolen, **disk)


class Memory:
    """The most memory each service had, looked at four times a second."""

    def __init__(self, processes: dict[str, int]) -> None:
        self.processes, self.most = dict(processes), dict.fromkeys(processes, 0.0)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        while not self.ended.wait(0.25):
            for service, process in self.processes.items():
                self.most[service] = max(self.most[service], machine.resident_mebibytes(process))

    def stop(self) -> dict[str, float]:
        self.ended.set()
        self.thread.join()
        return self.most


def consuming(bench: Bench) -> None:
    """The same load with identity-linking and messaging-outbox consuming, and P-2 under load."""
    bench.stage.only(*ALL)
    stream, url = bench.stream("LINE_WEBHOOK"), bench.stage.told["webhook_url"]
    bench.rest()
    with bench.disk() as disk:
        memory = Memory(bench.stage.processes)
        before, meter = _messages(bench), Meter(bench, bench.roots(*ALL))
        load = _generate(bench, url, max(3, bench.plan.seconds // 2))
        events = load["requests"] - load["refused"]
        publication = _publication(bench, before, events)
        unhandled = bench.broker.pending(stream)
        handled = until(CAUGHT_UP_WITHIN, bench.is_handled)
        cost = meter.stop()
        most = memory.stop()
    behind = publication["published_after_seconds"]
    bench.record.add(
        "P-1 consuming",
        "tsunagi",
        **load,
        **cost.of(events),
        **publication,
        unhandled=unhandled,
        handled_after_seconds=round(behind + handled, 2),
        handled_per_second=round(events / (load["seconds"] + behind + handled), 1),
        others_cpus=meter.others,
        stolen_seconds=meter.stolen,
        **disk,
    )
    for service, mebibytes in most.items():
        bench.record.add("P-2", f"{service} loaded", resident_mib=round(mebibytes, 1))
