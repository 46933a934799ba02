#!/usr/bin/env python3
"""Installs the pinned tools of one purpose into target/tools/<purpose>/ and prints the folder of their programs.

    python3 deploy/local/tools.py PURPOSE...

A purpose is a file in deploy/local/requirements/. What is already there, by a hash of that file, is left alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / "target" / "tools"


class CannotInstall(Exception):
    """A tool could not be installed; the text says which and what to do."""


def ensure(purpose: str) -> pathlib.Path:
    """Installs the tools of `purpose` unless they are there, and returns the folder of their programs."""
    wanted = HERE / "requirements" / f"{purpose}.txt"
    home = TOOLS / purpose
    stamp = home / "installed"
    mark = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / f".{purpose}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != mark:
            print(f"installing tools: {purpose}", file=sys.stderr, flush=True)
            shutil.rmtree(home, ignore_errors=True)
            _make_environment(home)
            _run(
                [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                + ["--no-input", "--only-binary=:all:", "--requirement", wanted],
                f"pip could not install {wanted.name}; is a Python package index reachable?",
            )
            stamp.write_text(mark)
    return home / "bin"


def _make_environment(home: pathlib.Path) -> None:
    made = subprocess.run([sys.executable, "-m", "venv", home], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        # Debian keeps `venv` in a package of its own.
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=False, env=quiet, stdout=sys.stderr)
        subprocess.run(["apt-get", "install", "-y", "-qq", "python3-venv"], check=False, env=quiet, stdout=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
    _run([sys.executable, "-m", "venv", home], "Python cannot make virtual environments; install python3-venv")


def _run(argv: list, otherwise: str) -> None:
    done = subprocess.run(argv, check=False, stdout=sys.stderr)
    if done.returncode != 0:
        raise CannotInstall(otherwise)


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(":".join(str(ensure(purpose)) for purpose in sys.argv[1:]))
    except CannotInstall as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
