"""How a reading process finds out that another one has written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from headwater.clock import Clock, Timer
from headwater.store.sqlite.connection import open_reader
from headwater.store.watchers import Watchers

_POLL_SECONDS: Final = 0.01


class PollingWatchers(Watchers):
    """Watchers of a log that another process writes.

    While there is at least one, SQLite is asked every 10 ms whether anybody has committed. That reads one number
    in shared memory: a few microseconds.

    Args:
        path: the file.
        clock: its timer says when to ask.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__()
        self._path = path
        self._clock = clock
        self._connection: apsw.Connection | None = None
        self._timer: Timer | None = None
        self._seen = 0

    def changed(self) -> None:
        """Ask while somebody wants to know, and only then."""
        if len(self) and self._timer is None:
            self._connection = self._connection or open_reader(self._path)
            # Noted before the watcher reads: what is committed after its read differs from this.
            self._seen = self._version(self._connection)
            self._timer = self._clock.call_later(_POLL_SECONDS, self._poll)
        elif not len(self):
            self._stop()

    def _poll(self) -> None:
        self._timer = self._clock.call_later(_POLL_SECONDS, self._poll)
        assert self._connection is not None  # noqa: S101 - there is one while the timer runs
        try:
            version = self._version(self._connection)
        except apsw.Error:
            self.ring()  # the watchers' own reads will tell what is wrong
            return
        if version != self._seen:
            self._seen = version
            self.ring()

    def _version(self, connection: apsw.Connection) -> int:
        return int(connection.pragma("data_version"))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
