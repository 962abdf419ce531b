"""Saves snapshots beside the aggregates, so that none of them waits for it."""

from __future__ import annotations

import logging
from typing import Final

from headwater.errors import StoreError
from headwater.runtime.genserver import GenServer
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot

SNAPSHOTS: Final = "snapshots"
"""The name of the process."""

_log: Final = logging.getLogger("headwater.cqrs")


class SnapshotWriter(GenServer):
    """Saves one snapshot at a time. Up to 1,000 wait; those beyond are dropped, and made again some events later."""

    capacity = 1_000
    trap_exit = True

    def init(self, store: EventStore) -> None:
        """Save into this store."""
        self._store = store

    async def save(self, snapshot: Snapshot) -> None:
        """Save it. A failure is logged: a snapshot is only a shortcut."""
        try:
            await self._store.save_snapshot(snapshot)
        except StoreError as error:
            _log.warning("the snapshot of %r at version %d was not saved: %s", snapshot.stream, snapshot.version, error)
