"""The load generator: wrk, from Debian."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

SCRIPT = Path(__file__).resolve().parents[1] / "webhook.lua"


class NotThere(Exception):
    """A tool is missing and cannot be installed here."""


def wrk(tools: Path) -> Path:
    """The program: the machine's own, else Debian's package, unpacked below `tools` where this user may not install."""
    if found := shutil.which("wrk"):
        return Path(found)
    unpacked = tools / "wrk" / "usr" / "bin" / "wrk"
    if unpacked.exists():
        return unpacked
    room = tools / "wrk"
    room.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", "wrk"], cwd=room, check=False)
    packages = sorted(room.glob("wrk_*.deb"))
    if packages:
        subprocess.run(["dpkg", "-x", packages[-1], room], check=True)
    if not unpacked.exists() and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=False)
        if found := shutil.which("wrk"):
            return Path(found)
    if not unpacked.exists():
        raise NotThere("wrk is not installed and Debian's package cannot be fetched")
    return unpacked


class Generator:
    """Sends signed webhooks of one account, each with an event of its own, over connections that stay open."""

    def __init__(self, program: Path, users: Path, connections: int = 64) -> None:
        self.program, self.users, self.connections = program, users, connections

    def run(self, url: str, secret: str, bot: str, seconds: int) -> dict:
        """One run; the generator's own CPU time is told too."""
        parts = urlsplit(url)
        environment = {
            **os.environ,
            "CHANNEL_SECRET": secret,
            "BOT_USER_ID": bot,
            "WEBHOOK_PATH": parts.path,
            "USERS_FILE": str(self.users),
        }
        before = os.times()
        done = subprocess.run(
            [self.program, "-t1", f"-c{self.connections}", f"-d{seconds}s", "--timeout", "5s", "-s", SCRIPT]
            + [f"{parts.scheme}://{parts.netloc}"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        return {**json.loads(done.stdout.strip().splitlines()[-1]), "generator_cpu_seconds": round(spent, 2)}
