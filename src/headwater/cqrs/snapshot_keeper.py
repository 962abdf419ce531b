"""When a view takes snapshots."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from headwater.clock import Clock
from headwater.cqrs.projection import Projection, TableProjection
from headwater.cqrs.view_picture import Picture
from headwater.cqrs.view_snapshots import Restored, ViewSnapshots
from headwater.errors import DefinitionError, StoreError
from headwater.store.model import StoredEvent
from headwater.store.store import EventStore
from headwater.types import Position

_log: Final = logging.getLogger("headwater.cqrs")


class SnapshotKeeper:
    """Takes the snapshots of one view, if its class wants some: one at a time, while the view goes on.

    Args:
        store: where they are kept.
        kind: the view's class.
        clock: says when one was taken.

    Attributes:
        position: that of the last one; None if there is none.
    """

    def __init__(self, store: EventStore, kind: type[Projection], clock: Clock) -> None:
        self.position: Position | None = None
        self._every: int | None = None
        self._saving: asyncio.Task[None] | None = None
        if issubclass(kind, TableProjection) and kind.snapshot_every is not None:
            self._every = kind.snapshot_every
            self._snapshots = ViewSnapshots(store, kind, clock)

    async def load(self) -> Restored | None:
        """The projection as the last snapshot has it; None if there is none that holds.

        Raises:
            StoreError: the store can't be read.
        """
        if self._every is None:
            return None
        found = await self._snapshots.load()
        self.position = None if found is None else found.position
        return found

    def followed(self, projection: Projection, last: StoredEvent) -> None:
        """The view has followed an event: take a snapshot if it is time, and none is being saved."""
        if self._every is not None and last.position - (self.position or 0) >= self._every:
            self.take(projection, last)

    def take(self, projection: Projection, last: StoredEvent) -> None:
        """Take a snapshot, unless one is being saved, or the view takes none."""
        if self._every is None or not isinstance(projection, TableProjection) or self._saving is not None:
            return
        try:
            picture = Picture(projection)
        except Exception:  # noqa: BLE001 - whatever it is, the view works without snapshots
            _log.exception("no snapshots of view %r are taken: its state can't be dumped", projection.view)
            self._every = None
        else:
            self._saving = asyncio.create_task(self._save(picture, last))

    async def _save(self, picture: Picture, last: StoredEvent) -> None:
        try:
            self.position = await self._snapshots.save(picture, last)
        except DefinitionError:
            _log.exception("no more snapshots of this view are taken")
            self._every = None
        except StoreError as error:
            _log.warning("a snapshot at position %d was not saved: %s", last.position, error)
        finally:
            self._saving = None

    async def forget(self) -> None:
        """Remove the snapshot, also one that is being saved.

        Raises:
            StoreError: it could not be removed.
        """
        await self.stop()
        if self._every is not None:
            await self._snapshots.forget()
            self.position = None

    async def stop(self) -> None:
        """Don't save what is being saved. The snapshot before it stays."""
        saving = self._saving
        if saving is not None:
            saving.cancel()
            await asyncio.wait([saving])

    async def settled(self) -> None:
        """Wait until nothing is being saved."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
