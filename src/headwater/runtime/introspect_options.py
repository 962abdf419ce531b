"""Debug options: what can be switched on for a process. For its start: `system.start(Counter, debug=[tracing()])`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from headwater.runtime.introspect_events import EventObserver, ProcessEvent
from headwater.runtime.introspect_receivers import EventLog, FileLog, TextStream, Trace
from headwater.runtime.introspect_statistics import begin_to_measure
from headwater.runtime.process import Process

DebugOption: TypeAlias = Callable[[Process], None]
"""Switches something on for one process."""

LOG_LIMIT: Final = 10
"""How many events a log keeps, unless told otherwise."""


def tracing(to: TextStream | logging.Logger | None = None) -> DebugOption:
    """Write each event as a line; in the place of an earlier trace. See `Trace`."""
    return lambda process: _replace(process, Trace(to))


def logging_last(limit: int = LOG_LIMIT) -> DebugOption:
    """Keep the last `limit` events in memory; in the place of an earlier log."""
    return lambda process: _replace(process, EventLog(limit))


def logging_to(path: Path) -> DebugOption:
    """Append each event to a file; in the place of an earlier one. The file is closed when the process ends."""
    return lambda process: _log_to_file(process, path)


def measuring() -> DebugOption:
    """Count answers and note when messages come. See `Statistics`."""
    return begin_to_measure


def observing(receive: Callable[[ProcessEvent], object]) -> DebugOption:
    """Hand each event to `receive`. If it raises, it gets no more, and the process goes on."""
    return lambda process: process.add_observer(EventObserver(process, receive))


def receivers(process: Process) -> Iterator[Callable[[ProcessEvent], object]]:
    """Everything that receives the process's events."""
    for observer in process.observers:
        if isinstance(observer, EventObserver):
            yield observer.receive


def switch_off(process: Process, unwanted: Callable[[object], bool]) -> None:
    """Take away the receivers that are unwanted."""
    for observer in process.observers:
        if isinstance(observer, EventObserver) and unwanted(observer.receive):
            process.remove_observer(observer)
            if isinstance(observer.receive, FileLog):
                observer.receive.close()


def _replace(process: Process, receive: Trace | EventLog | FileLog) -> None:
    switch_off(process, lambda other: type(other) is type(receive))
    process.add_observer(EventObserver(process, receive))


def _log_to_file(process: Process, path: Path) -> None:
    log = FileLog(path)
    _replace(process, log)
    process.cleanups = [*(process.cleanups or ()), log.close]
