"""Free ports on the loopback address."""

from __future__ import annotations

import random
import socket

_LOWEST, _HIGHEST = 20_000, 32_000


def free() -> int:
    """A port nothing listens on now.

    It lies below the range the kernel gives to outgoing connections (from 32768), so that a server can be restarted on it
    without finding it taken by one of those.
    """
    while True:
        port = random.randint(_LOWEST, _HIGHEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
