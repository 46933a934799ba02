"""P-11: from a friend's message on the wire until staff see it, at a steady rate."""

from harness.bench import Bench, Meter
from harness.webhooks import ALL


def measure(bench: Bench, per_second: int = 200, seconds: int = 20) -> None:
    bench.stage.only(*ALL)
    bench.rest()
    for _ in range(bench.plan.runs):
        with bench.disk() as disk:
            meter = Meter(bench, bench.roots(*ALL))
            told = bench.stage.ask("watch", per_second=per_second, seconds=seconds, friends=200)
            cost = meter.stop()
        bench.record.add(
            "P-11",
            "tsunagi",
            **{name: round(value, 2) if isinstance(value, float) else value for name, value in told.items()},
            **cost.of(per_second * (seconds + 3)),
            others_cpus=meter.others,
            stolen_seconds=meter.stolen,
            **disk,
        )
