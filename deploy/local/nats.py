"""A private NATS server with JetStream."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import ports
import processes
import tools
from postgres import CannotStart
from run_folder import RunFolder, can_reach

_READY_WITHIN = 30.0
_CONFIGURATION = """\
server_name: {name}
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
max_payload: 8MB
jetstream {{
  store_dir: {store}
  max_memory_store: 1GB
  max_file_store: 32GB
  sync_interval: {sync}
}}
"""
# The monitoring port is on loopback: no proxy of the environment may stand between.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Nats:
    """A server that is up: its address, and how to end it."""

    def __init__(self, url: str, process: subprocess.Popen, identity: processes.Identity) -> None:
        self.url = url
        self.process = process
        self._identity = identity

    def stop(self) -> None:
        self._identity.end((signal.SIGTERM, 10.0))
        self.process.wait()


def find_server(folder: RunFolder) -> pathlib.Path:
    """The `nats-server` program: the one named by TSUNAGI_NATS_SERVER, else the pinned one, installed where missing."""
    if named := os.environ.get("TSUNAGI_NATS_SERVER"):
        return pathlib.Path(named)
    server = tools.ensure("nats") / "nats-server"
    if can_reach(server, folder.user):
        return server
    copy = folder.data / "nats-server"
    copy.write_bytes(server.read_bytes())
    copy.chmod(0o755)
    return copy


def start(server: pathlib.Path, folder: RunFolder, mode: str) -> Nats:
    """Starts a server on free ports. Mode `durable`: on disk before it acknowledges; `test`: two minutes later at most."""
    room = folder.room("nats")
    log = folder.path / "nats.log"
    for _ in range(3):
        port, monitor = ports.free(), ports.free()
        configuration = room / "nats.conf"
        store = json.dumps(str(room / "store"))
        configuration.write_text(
            _CONFIGURATION.format(
                name=folder.path.name,
                port=port,
                monitor=monitor,
                store=store,
                sync="always" if mode == "durable" else "2m",
            )
        )
        configuration.chmod(0o644)
        argv = [str(server), "-c", str(configuration)]
        process = processes.spawn(argv, log=log, folder=room, user=folder.user, on_orphaned=signal.SIGTERM)
        identity = processes.Identity.of("nats", process.pid)
        if identity is not None:
            folder.note(identity)
            if _becomes_ready(monitor, process):
                return Nats(f"nats://127.0.0.1:{port}", process, identity)
            identity.end((signal.SIGTERM, 5.0))
        process.wait()
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise CannotStart(f"the NATS server did not start; its log ends:\n{tail}")


def _becomes_ready(monitor: int, process: subprocess.Popen) -> bool:
    """`/healthz` answers once JetStream has recovered its streams."""
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with _DIRECT.open(f"http://127.0.0.1:{monitor}/healthz", timeout=1) as answer:
                if answer.status == 200:
                    return True
        except OSError:
            time.sleep(0.02)
    return False
