"""The peers: what a shop would build with LINE's own SDK, installed as their authors publish it."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from harness.broker import free_port

HERE = Path(__file__).resolve().parents[1] / "peers"


class Peers:
    """The installed peers."""

    def __init__(self, room: Path) -> None:
        room.mkdir(parents=True, exist_ok=True)
        self.room = room
        lock = (HERE / "package-lock.json").read_bytes()
        stamp, mark = room / "installed", hashlib.sha256(lock).hexdigest()
        for file in HERE.iterdir():
            if file.is_file():
                shutil.copy2(file, room)
        if not stamp.exists() or stamp.read_text(encoding="ascii") != mark:
            quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(["npm", "ci", *quiet], cwd=room, check=True, stdout=subprocess.DEVNULL)
            stamp.write_text(mark, encoding="ascii")

    def webhook(self, secret: str, nats_url: str, processes: int) -> "Webhook":
        return Webhook(self.room, secret, nats_url, processes)

    def queue(self, database_url: str, line_url: str, count: int, accounts: list[dict]) -> subprocess.Popen:
        """Starts the outbox peer. It prints three JSON lines: ready, queued, done; and waits for a line after each of the first two."""
        file = self.room / "accounts.json"
        file.write_text(json.dumps(accounts), encoding="utf-8")
        environment = {
            **os.environ,
            "NODE_ENV": "production",
            "DATABASE_URL": database_url,
            "LINE_URL": line_url,
            "COUNT": str(count),
            "ACCOUNTS_FILE": str(file),
        }
        return subprocess.Popen(
            ["node", "queue.mjs"], cwd=self.room, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def timers(self, script: str, database_url: str, count: int, every_us: int, ahead: float) -> subprocess.Popen:
        """Starts a timer peer: `count` jobs, the first due in `ahead` seconds, each other one `every_us` microseconds later. It prints
        three JSON lines: ready, kept, done; and waits for a line after each of the first two."""
        environment = {
            **os.environ,
            "NODE_ENV": "production",
            "DATABASE_URL": database_url,
            "COUNT": str(count),
            "EVERY_US": str(every_us),
            "AHEAD_SECONDS": str(ahead),
        }
        return subprocess.Popen(
            ["node", script], cwd=self.room, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )


def said(peer: subprocess.Popen) -> dict:
    """What a peer says next."""
    return json.loads(peer.stdout.readline())


def go(peer: subprocess.Popen) -> None:
    """Lets a peer go on that waits."""
    peer.stdin.write("go\n")
    peer.stdin.flush()


class Webhook:
    """The running webhook peer."""

    def __init__(self, room: Path, secret: str, nats_url: str, processes: int) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/webhook"
        environment = {
            **os.environ,
            "NODE_ENV": "production",
            "PORT": str(port),
            "CHANNEL_SECRET": secret,
            "NATS_URL": nats_url,
            "PROCESSES": str(processes),
        }
        self.process = subprocess.Popen(["node", "webhook.mjs"], cwd=room, env=environment)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
