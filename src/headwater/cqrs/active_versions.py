"""Which version of each view serves: kept in the store, for the next start of the application."""

from __future__ import annotations

import msgspec

from headwater.store.store import EventStore
from headwater.store.stream import Snapshot

_KEY = "active version"


class ActiveVersions:
    """One number for each view. Kept among the store's snapshots.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def read(self, name: str) -> int | None:
        """The version of a view that was made the active one; None if none ever was.

        Raises:
            StoreError: the store can't be read.
        """
        found = await self._store.load_snapshot(f"view {name}", _KEY)
        return None if found is None else msgspec.json.decode(found.data, type=int)

    async def write(self, name: str, version: int) -> None:
        """Make a version the active one. Durable when this returns.

        Raises:
            StoreError: it could not be stored.
        """
        stream = f"view {name}"
        found = await self._store.load_snapshot(stream, _KEY)
        turn = 1 if found is None else found.version + 1  # the store keeps what has the highest
        await self._store.save_snapshot(Snapshot(stream, _KEY, turn, msgspec.json.encode(version)))
