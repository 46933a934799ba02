"""The platform under measurement: the `bench-stage` program, told what to do by JSON lines."""

import json
import os
import shutil
import subprocess
from pathlib import Path


class Refused(Exception):
    """The stage could not do what was asked."""


class Stage:
    """A running platform with one shop, everything on its own servers."""

    def __init__(self, program: Path, environment: dict[str, str], logs: Path) -> None:
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        self.process = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment, "BENCH_LOGS": str(logs)},
        )
        self.told = self._read()
        self.processes: dict[str, int] = self.told["processes"]

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise Refused("bench-stage ended; what it wrote on standard error says why")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def ask(self, do: str, **more: object) -> dict:
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def start(self, *services: str) -> None:
        for service in services:
            if service not in self.processes:
                self.processes[service] = self.ask("start", service=service)["process"]

    def stop(self, *services: str) -> None:
        for service in services:
            if self.processes.pop(service, None) is not None:
                self.ask("stop", service=service)

    def only(self, *services: str) -> None:
        """Has exactly these services running."""
        self.stop(*(set(self.processes) - set(services)))
        self.start(*services)

    def query(self, sql: str) -> list[list[str | None]]:
        return self.ask("query", sql=sql)["rows"]

    def number(self, sql: str) -> int:
        return int(self.query(sql)[0][0])

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.stdin.write('{"do": "quit"}\n')
            self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
