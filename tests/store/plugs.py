"""The backends, as the conformance suites want them."""

from pathlib import Path

import apsw

from headwater.clock import Clock
from headwater.store.adapter import Capabilities
from headwater.store.memory import MemoryAdapter
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.store.store import EventStore
from headwater.testing.conformance.store import codec

VERSION_1 = Path(__file__).with_name("version_1.sql")


class Memory:
    capabilities = Capabilities(durable=False, shared=False, many_writers=False)

    async def open(self, directory: Path, clock: Clock | None = None) -> EventStore:
        return EventStore(MemoryAdapter(clock), codec(), clock=clock)


class Sqlite:
    capabilities = Capabilities(durable=True, shared=True, many_writers=False)

    async def open(self, directory: Path, clock: Clock | None = None) -> EventStore:
        adapter = await SqliteAdapter.open(directory / "events.db", clock=clock)
        return EventStore(adapter, codec(), clock=clock)


class MigratedSqlite(Sqlite):
    """Each file begins as an empty one of schema version 1, as the first Headwater has made them."""

    async def open(self, directory: Path, clock: Clock | None = None) -> EventStore:
        path = directory / "events.db"
        if not path.exists():
            tables, _, rows = VERSION_1.read_text().partition("\nINSERT")
            connection = apsw.Connection(str(path))
            connection.execute(tables + rows[rows.index("PRAGMA") :])
            connection.close()
        return await super().open(directory, clock)
