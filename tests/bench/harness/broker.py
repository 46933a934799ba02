"""A NATS server whose PubAck means that the message is on disk, unless its stream asks otherwise: the project and its peers use
the same one."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

_CONFIGURATION = """\
server_name: bench
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
max_payload: 8MB
jetstream {{
  store_dir: {store}
  max_file_store: 32GB
  sync_interval: {sync}
}}
"""
# The monitoring port is on loopback: no proxy of the environment may stand between.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A port nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A running server."""

    def __init__(self, folder: Path, sync: str = "always") -> None:
        folder.mkdir(parents=True)
        port, self.monitor = free_port(), free_port()
        self.url, self.sync = f"nats://127.0.0.1:{port}", sync
        configuration = folder / "nats.conf"
        store = json.dumps(str(folder / "store"))
        configuration.write_text(
            _CONFIGURATION.format(port=port, monitor=self.monitor, store=store, sync=sync), encoding="utf-8"
        )
        program = os.environ.get("TSUNAGI_NATS_SERVER", "nats-server")
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program, "-c", configuration], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                if self._get("/healthz")["status"] == "ok":
                    return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def _get(self, path: str) -> dict:
        with _DIRECT.open(f"http://127.0.0.1:{self.monitor}{path}", timeout=10) as answer:
            return json.load(answer)

    def streams(self) -> dict[str, dict]:
        """Every stream by name: its state, and its consumers."""
        found = self._get("/jsz?streams=true&consumers=true&limit=10000")
        accounts = found.get("account_details") or []
        return {stream["name"]: stream for account in accounts for stream in account.get("stream_detail") or []}

    def messages(self, stream: str) -> int:
        """How many messages the stream has ever taken."""
        return self.streams().get(stream, {}).get("state", {}).get("last_seq", 0)

    def pending(self, stream: str) -> int:
        """Messages some consumer of the stream has not acknowledged."""
        consumers = self.streams().get(stream, {}).get("consumer_detail") or []
        return max((one["num_pending"] + one["num_ack_pending"] for one in consumers), default=0)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
