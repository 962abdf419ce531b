"""A PostgreSQL server for the tests: one for the whole run, started by the first test that wants it.

`HEADWATER_TEST_POSTGRES` names another one, as a URL of a database in which schemas may be created and dropped.
Otherwise the server comes with the package `pgserver`; it runs in a temporary folder, reached through a socket there,
and is as durable as any (fsync on). Started by root, it runs as a user that is made for it.
"""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
import pytest

VARIABLE = "HEADWATER_TEST_POSTGRES"
_PREFIX = "headwater_test_"


@contextmanager
def server() -> Iterator[str]:
    """A server's URL; the server ends afterwards.

    Raises:
        ImportError: there is no pgserver for this Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants XDG_RUNTIME_DIR to be set, and does without
        from pgserver.postgres_server import get_server
    with tempfile.TemporaryDirectory(prefix="headwater-postgres-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        running = get_server(Path(folder) / "data", cleanup_mode="delete")
        process: Any = running.get_postmaster_info().process
        try:
            with _guarded(process.pid, folder):
                yield running.get_uri()
        finally:
            # At once: an orderly shutdown would write thousands of files to the disk that are deleted right after.
            process.send_signal(signal.SIGQUIT)
            process.wait(30)
            running.cleanup()


@contextmanager
def _guarded(server: int, folder: str) -> Iterator[None]:
    """If this process dies in here, by whatever signal, the server ends and its folder goes."""
    command = [sys.executable, "-c", _GUARD, str(server), folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as guard:
        try:
            yield
        finally:
            guard.communicate(b"all is well")


# Its input ends without a word when the process that holds the other end is gone.
_GUARD = """
import os, shutil, signal, sys
if not sys.stdin.read():
    os.kill(int(sys.argv[1]), signal.SIGQUIT)
    shutil.rmtree(sys.argv[2], ignore_errors=True)
"""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a database, without a schema."""
    named = os.environ.get(VARIABLE)
    if named:
        yield named
        asyncio.run(_drop_schemas(named))
        return
    with server() as url:
        yield url


def _missing() -> bool:
    return not os.environ.get(VARIABLE) and find_spec("pgserver") is None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a server where there is none. For its rows, that counts as not run."""
    if _missing():
        without = [item for item in items if isinstance(item, pytest.Function) and "postgres" in item.fixturenames]
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in set(without)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say so."""
    if _missing():
        terminalreporter.write_line(
            "Tests on PostgreSQL were left out: there is no pgserver for this Python; "
            f"set {VARIABLE} to the URL of a database to run them",
            yellow=True,
        )


SHARED = f"{_PREFIX}shared"
"""The schema of all tests that leave the tables as they are: making them takes longer than most tests."""

_TABLES = ("events", "event_tags", "links", "marks", "streams", "types", "snapshots", "subscriptions", "subjects")
# A process that was killed may have left the server a transaction to finish.
_LOCK = "SELECT FROM head FOR UPDATE"
_HEAD = """
UPDATE head SET revision = 0, position = 0, hash = decode(repeat('00', 32), 'hex'), recorded_at = 0, streams = 0,
types = 0
"""

# Autovacuum has come by when they were empty and not yet truncated. The planner would take them for empty however many
# rows they get, and read them whole for each row of another one.
_MISJUDGED = """
SELECT quote_ident(relname) FROM pg_class
WHERE relnamespace = current_schema::regnamespace AND relkind = 'r' AND reltuples = 0 AND relpages > 0
"""


async def wipe(url: str, schema: str) -> None:
    """Make a store as it was when it was made; drop it where that isn't allowed."""
    connection = await asyncpg.connect(url, server_settings={"search_path": schema})
    try:
        if await connection.fetchval("SELECT to_regclass('headwater_migrations') IS NULL"):
            return
        try:
            await connection.execute("SET session_replication_role = replica")  # without triggers
            await connection.execute(";".join([_LOCK, *(f"DELETE FROM {table}" for table in _TABLES), _HEAD]))
            for row in await connection.fetch(_MISJUDGED):
                await connection.execute(f"VACUUM {row[0]}")
        except asyncpg.InsufficientPrivilegeError:
            await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
    finally:
        await connection.close()


def own_schema(place: Path) -> str:
    """A schema that belongs to a test's folder."""
    return _PREFIX + hashlib.sha256(str(place).encode()).hexdigest()[:16]


def with_options(url: str, **options: str) -> str:
    """The URL with more options."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | options)).geturl()


async def _drop_schemas(url: str) -> None:
    connection = await asyncpg.connect(url)
    with suppress(asyncpg.exceptions.PostgresError):
        for row in await connection.fetch("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1)", _PREFIX):
            await connection.execute(f'DROP SCHEMA "{row[0]}" CASCADE')
    await connection.close()
