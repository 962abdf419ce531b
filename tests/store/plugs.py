"""The backends, as the conformance suites want them."""

from pathlib import Path

from headwater.clock import Clock
from headwater.store.adapter import Capabilities
from headwater.store.memory import MemoryAdapter
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.store.store import EventStore
from headwater.testing.conformance.store import codec


class Memory:
    capabilities = Capabilities(durable=False, shared=False, many_writers=False)

    async def open(self, directory: Path, clock: Clock | None = None) -> EventStore:
        return EventStore(MemoryAdapter(clock), codec(), clock=clock)


class Sqlite:
    capabilities = Capabilities(durable=True, shared=True, many_writers=False)

    async def open(self, directory: Path, clock: Clock | None = None) -> EventStore:
        adapter = await SqliteAdapter.open(directory / "events.db", clock=clock)
        return EventStore(adapter, codec(), clock=clock)
