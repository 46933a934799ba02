"""What a service says to Postgres for one call, as its server logged it, written as a pgbench script: the very statements, in their
order, with the values of one call made variables, so that every transaction of the replay is about something else."""

import os
import re
import subprocess
from pathlib import Path

# As the service's own pool has them.
OPTIONS = "-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
# The variable that holds an empty text; the look-up sets it.
EMPTY = "empty"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ENTRY = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \S+ \[(\d+)\] (\w+):  (.*)$", re.DOTALL)
SAID = re.compile(r"^duration: [\d.]+ ms  (?:statement|execute \S+): (.*)$", re.DOTALL)
PARAMETER = re.compile(r"\$(\d+) = (NULL|'((?:[^']|'')*)')")


class Unlike(Exception):
    """What was logged is not what a script can be made of."""


def server_log(postmaster: int) -> Path:
    """Where a server writes its log."""
    path = Path(f"/proc/{postmaster}/fd/2").resolve()
    if not path.is_file():
        raise Unlike(f"the server's log is no file: {path}")
    return path


def statements(log: str, mark: str) -> list[tuple[str, dict[int, str | None]]]:
    """The statements, with their parameters, of the one transaction in which `mark` was said."""
    entries = re.split(r"\n(?=\d{4}-\d\d-\d\d )", log)
    sessions: dict[str, list[tuple[str, dict[int, str | None]]]] = {}
    for entry in entries:
        found = ENTRY.match(entry.rstrip("\n"))
        if found is None:
            continue
        process, kind, text = found.groups()
        said = sessions.setdefault(process, [])
        if kind == "LOG":
            statement = SAID.match(text)
            # Parsing and binding a statement are logged, too; their parameters follow them.
            said.append((" ".join(statement.group(1).split()), {}) if statement else ("", {}))
        elif kind == "DETAIL" and said:
            values = {int(n): None if whole == "NULL" else inside.replace("''", "'") for n, whole, inside in PARAMETER.findall(text)}
            said[-1] = (said[-1][0], values)
    for said in sessions.values():
        said = [one for one in said if one[0]]
        begins = [place for place, (text, _) in enumerate(said) if text.startswith("BEGIN")]
        for begin in reversed(begins):
            ends = [place for place in range(begin, len(said)) if said[place][0] in ("COMMIT", "ROLLBACK")]
            transaction = said[begin : ends[0] + 1] if ends else []
            if any(mark in values.values() for _, values in transaction) and transaction[-1][0] == "COMMIT":
                return transaction
    raise Unlike("the transaction was not logged")


def constants(said: list[tuple[str, dict[int, str | None]]]) -> set[str]:
    """The IDs that were said. Those of two transactions about different things are the same in all."""
    return {id for _, values in said for value in values.values() if value for id in UUID.findall(value)}


def _expression(value: str | None, names: dict[str, str], fixed: set[str]) -> str:
    """A parameter's value in the script. `names`: the variable that stands for a value; `fixed`: IDs that stay as they are."""
    if value is None:
        return "NULL"
    if value in names:
        return f":{names[value]}::uuid" if UUID.fullmatch(value) else f":{names[value]}::text"
    if not value:
        # As a constant it would be planned for; the service's plan knows no parameter's value.
        return f":{EMPTY}::text"
    if UUID.fullmatch(value):
        return f"'{value}'::uuid" if value in fixed else "gen_random_uuid()"
    inner = value.strip("{}")
    if value.startswith("{") and UUID.fullmatch(inner) and inner not in names and inner not in fixed:
        return "ARRAY[gen_random_uuid()]"
    cast = ""
    if re.match(r"\d{4}-\d\d-\d\d ", value):
        cast = "::timestamptz"
    elif value.startswith('{"') and '":' in value:
        cast, value = "::jsonb", value.replace('":', '" :')
    elif value.startswith("{") and all(UUID.fullmatch(one) for one in inner.split(",")):
        cast = "::uuid[]"
    elif value.startswith("{"):
        cast = ""
    elif value.startswith("\\x"):
        cast = "::bytea"
    # A colon before a letter would begin a variable.
    known = sorted(names, key=len, reverse=True)
    parts = re.split("(" + "|".join(map(re.escape, known)) + ")", value)
    quoted = [f":{names[part]}::text" if part in names else "'" + part.replace("'", "''") + "'" for part in parts if part]
    whole = " || ".join(quoted) or "''"
    if len(quoted) > 1:
        cast = cast or ("::text[]" if value.startswith("{") else "")
        return f"({whole}){cast}"
    return f"{whole}{cast}"


def script(said: list[tuple[str, dict[int, str | None]]], names: dict[str, str], fixed: set[str], look_up: str) -> str:
    """The pgbench script. `look_up` sets the variables of a transaction whose number is `:number`."""
    lines = ["\\set i :i + 1", "\\set number :first + :client_id * :each + :i", f"{look_up} \\gset"]
    for text, values in said:
        if text.startswith("BEGIN"):
            # One round trip, as the service makes.
            lines += ["\\startpipeline", *(f"{part.strip()};" for part in text.split(";") if part.strip()), "\\endpipeline"]
            continue
        lines.append(re.sub(r"\$(\d+)", lambda found: _expression(values.get(int(found.group(1))), names, fixed), text) + ";")
    return "\n".join(lines) + "\n"


def run(pgbench: Path, database: str, role: str, path: Path, variables: dict[str, int], clients: int, each: int) -> dict:
    """Replays `each` transactions by each of `clients` clients."""
    url = re.match(r"postgres(?:ql)?://(?:[^@/]*@)?([^:/]+):(\d+)/(\w+)", database)
    if url is None:
        raise Unlike("the database's address says no host and port")
    argv = [pgbench, "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-t", str(each), "-f", path]
    argv += [f"-D{name}={value}" for name, value in variables.items()]
    argv += ["-h", url.group(1), "-p", url.group(2), "-U", role, url.group(3)]
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "PGOPTIONS": OPTIONS}, check=False)
    processed = re.search(r"actually processed: (\d+)", done.stdout)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or processed is None or rate is None or int(processed.group(1)) != clients * each:
        raise Unlike(f"pgbench: {done.stdout}{done.stderr}")
    return {"count": int(processed.group(1)), "per_second": float(rate.group(1))}
