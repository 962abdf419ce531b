"""When an aggregate's process takes snapshots, and when they are saved."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable
from typing import Final

from headwater.sourcing.aggregate import Aggregate
from headwater.store.stream import Snapshot

_log: Final = logging.getLogger("headwater.cqrs")


class Snapshotting:
    """Takes a snapshot every so many events: of the state just decided, to be saved once that is durable.

    Args:
        kind: the aggregate's class, which says how often.
        stream: its stream.
        save: takes the snapshots that are durable.
    """

    def __init__(self, kind: type[Aggregate], stream: str, save: Callable[[Snapshot], None]) -> None:
        self._kind = kind
        self._stream = stream
        self._save = save
        self._every = kind.snapshot_every or sys.maxsize
        self._next = self._every
        self._taken: deque[Snapshot] = deque()

    def loaded(self, aggregate: Aggregate, version: int, snapshot_version: int) -> None:
        """The aggregate was read from the log, beginning with the snapshot of a version; 0 if there was none."""
        self._taken.clear()
        self._next = snapshot_version + self._every
        self.decided(aggregate, version)
        self.settled(version)

    def decided(self, aggregate: Aggregate, version: int) -> None:
        """The aggregate has come to a version, perhaps not durable yet."""
        if version < self._next:
            return
        self._next = version + self._every
        try:
            data = aggregate.dump_state()
        except Exception:  # noqa: BLE001 - whatever it is, the aggregate works without snapshots
            _log.exception("no snapshots of %r are taken: its state can't be dumped", self._stream)
            self._next = sys.maxsize
        else:
            self._taken.append(Snapshot(self._stream, self._kind.snapshot_key(), version, data))

    def settled(self, version: int) -> None:
        """All events up to a version are durable."""
        while self._taken and self._taken[0].version <= version:
            self._save(self._taken.popleft())
