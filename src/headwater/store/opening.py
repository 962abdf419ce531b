"""From a URL to a backend that is open."""

from __future__ import annotations

from headwater.clock import Clock
from headwater.store.adapter import StoreAdapter
from headwater.store.memory import MemoryAdapter
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.store.url import Durability, check_durability, parse_url


async def open_adapter(
    url: str, *, clock: Clock | None, read_only: bool, create: bool, durability: Durability | None
) -> StoreAdapter:
    """Open the backend that a URL names. See `EventStore.open`."""
    parsed = parse_url(url)
    if durability is not None:
        check_durability(url, durability)
    if parsed.postgres is not None:
        # Only now: its driver is a library that a user of SQLite doesn't need to have.
        from headwater.store.postgres.adapter import PostgresAdapter

        return await PostgresAdapter.open(
            parsed.postgres,
            clock=clock,
            read_only=read_only,
            create=create,
            durability=durability or parsed.durability or "full",
        )
    if parsed.path is None:
        return MemoryAdapter(clock)
    return await SqliteAdapter.open(
        parsed.path,
        clock=clock,
        read_only=read_only,
        create=create,
        durability=durability or parsed.durability or "full",
    )
