"""Who wants to be woken when there are new events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

_log: Final = logging.getLogger("headwater.store")


class Watchers:
    """Callbacks that are called whenever the log has grown."""

    def __init__(self) -> None:
        self._wakes: dict[object, Callable[[], None]] = {}

    def add(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` from now on. Returns what ends it."""
        key = object()  # the same callback may watch twice
        self._wakes[key] = wake
        self.changed()

        def remove() -> None:
            if self._wakes.pop(key, None) is not None:
                self.changed()

        return remove

    def __len__(self) -> int:
        return len(self._wakes)

    def changed(self) -> None:
        """Called when a watcher has come or gone."""

    def ring(self) -> None:
        """Call all of them. One that raises is reported to the log and doesn't keep the others from it."""
        for wake in tuple(self._wakes.values()):
            try:
                wake()
            except Exception:  # noqa: BLE001 - whatever it raises
                _log.exception("a watcher raised: %r", wake)

    def close(self) -> None:
        """Forget all of them."""
        self._wakes.clear()
        self.changed()
