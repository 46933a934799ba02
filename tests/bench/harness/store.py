"""What Postgres did during a run: write-ahead log, syncs of it, commits."""

import time
from collections.abc import Callable
from dataclasses import dataclass

# A backend reports its part of the write-ahead log's statistics at most once a second.
REPORTED_WITHIN = 1.3


@dataclass
class Work:
    """Counters of a Postgres server; a difference tells what a run cost."""

    wal_bytes: int
    wal_syncs: int
    commits: int

    def __sub__(self, before: "Work") -> "Work":
        return Work(
            self.wal_bytes - before.wal_bytes, self.wal_syncs - before.wal_syncs, self.commits - before.commits
        )


class Postgres:
    """A server, asked as its administrator."""

    def __init__(self, query: Callable[[str], list[list[str | None]]]) -> None:
        self.query = query

    def ask(self, query: str) -> str:
        return self.query(query)[0][0] or ""

    def work(self) -> Work:
        """The counters, once everything that has happened so far is in them."""
        time.sleep(REPORTED_WITHIN)
        row = self.query(
            "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, (select wal_sync from pg_stat_wal),"
            " (select sum(xact_commit)::bigint from pg_stat_database)"
        )[0]
        return Work(*(int(value) for value in row))

    def settle(self) -> None:
        """So that no run pays for the one before it, and each finds the statistics that autovacuum gathers once a minute."""
        self.query("checkpoint")
        self.query("analyze")

    def postmaster(self) -> int:
        """The process ID of the server, parent of all its backends."""
        return int(self.ask("select pg_read_file('postmaster.pid')").split()[0])

    def durability(self) -> str:
        """The settings a durable figure stands on."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
        return ", ".join(f"{name}={self.ask('show ' + name)}" for name in names)
