"""Raw runs and their summary: every run is a JSON line in `target/bench/`, a summary quotes medians with their spread."""

import json
import statistics
import time
from pathlib import Path


class Record:
    """The runs of one call of `make bench`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / time.strftime("runs-%Y%m%d-%H%M%S.jsonl", time.gmtime())
        self.runs: list[dict] = []

    def add(self, figure: str, case: str, **values: object) -> None:
        run = {"figure": figure, "case": case, "at": time.strftime("%FT%TZ", time.gmtime()), **values}
        self.runs.append(run)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(run, ensure_ascii=False) + "\n")
        print(json.dumps(run, ensure_ascii=False), flush=True)

    def values(self, figure: str, case: str, name: str) -> list[float]:
        return [run[name] for run in self.runs if run["figure"] == figure and run["case"] == case and name in run]

    def median(self, figure: str, case: str, name: str) -> float | None:
        values = self.values(figure, case, name)
        return statistics.median(values) if values else None

    def spread(self, figure: str, case: str, name: str) -> str:
        """`median [least..most]`, or `–` where the case was not run."""
        values = self.values(figure, case, name)
        if not values:
            return "–"
        return f"{statistics.median(values):,.1f} [{min(values):,.1f}..{max(values):,.1f}]"
