"""A busy neighbour: two loops of low priority and a writer that syncs large files, on the disk of the servers."""

import os
import subprocess
import sys
from pathlib import Path

_LOOP = "while True: pass"
_WRITER = """
import os, sys
block = bytes(1 << 20)
while True:
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for _ in range(256):
        os.write(file, block)
    os.fsync(file)
    os.close(file)
"""


class Disturbance:
    """Disturbs from `with` to its end."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "disturbance"
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "Disturbance":
        commands = [[sys.executable, "-c", _LOOP]] * 2 + [[sys.executable, "-c", _WRITER, str(self.file)]]
        self.processes = [subprocess.Popen(command, preexec_fn=lambda: os.nice(19)) for command in commands]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.file.unlink(missing_ok=True)
