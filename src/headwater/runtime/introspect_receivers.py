"""Who receives a process's events: a trace, a log in memory, a log in a file."""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path
from typing import Final, Protocol

from headwater.errors import DefinitionError
from headwater.runtime.introspect_events import ProcessEvent

_log: Final = logging.getLogger("headwater.runtime.trace")


class TextStream(Protocol):
    """Where text can be written, such as `sys.stdout`."""

    def write(self, text: str, /) -> object:
        """Take some text."""


class Trace:
    """Writes each event as a line, with its arguments: don't trace secrets.

    Args:
        to: a stream or a logger; None is the logger `headwater.runtime.trace`, at level INFO.
    """

    __slots__ = ("_to",)

    def __init__(self, to: TextStream | logging.Logger | None = None) -> None:
        self._to: TextStream | logging.Logger = _log if to is None else to

    def __call__(self, event: ProcessEvent) -> None:
        """Write one line."""
        if isinstance(self._to, logging.Logger):
            self._to.info("%s", event)
        else:
            self._to.write(f"{event}\n")


class EventLog:
    """Keeps the last events.

    Args:
        limit: how many; at least 1.

    Raises:
        DefinitionError: the limit is below 1.
    """

    __slots__ = ("_events",)

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise DefinitionError(f"a log keeps at least 1 event, not {limit}")
        self._events: deque[ProcessEvent] = deque(maxlen=limit)

    def __call__(self, event: ProcessEvent) -> None:
        """Keep one event, and forget the oldest if there are too many."""
        self._events.append(event)

    def events(self) -> tuple[ProcessEvent, ...]:
        """What was kept, oldest first."""
        return tuple(self._events)


class FileLog:
    """Appends each event as a line to a file, flushed at once. The file is written to on the event loop: for debugging.

    Args:
        path: the file.

    Raises:
        OSError: it can't be opened.
    """

    __slots__ = ("_file", "path")

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def __call__(self, event: ProcessEvent) -> None:
        """Write one line."""
        self._file.write(f"{event.time:.6f} {event}\n")

    def close(self) -> None:
        """Write no more. Harmless when it is closed already."""
        self._file.close()
