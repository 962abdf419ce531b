"""The watchdog: finds methods that hold the event loop, while they hold it.

There is one loop for all processes, and no pre-emption: while a method computes or blocks, nobody else runs. The
watchdog is a thread that looks at the loop's thread some times in each limit. If it finds the same call of the same
method there for longer than the limit, it reports the process, the message and the stack. It needs nothing from the
processes themselves: they run no slower for it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from inspect import CO_COROUTINE
from types import CodeType, FrameType, FunctionType
from typing import Final, cast

import msgspec

from headwater.errors import DefinitionError
from headwater.runtime.handling import Handling
from headwater.runtime.introspect_state import spoken
from headwater.runtime.lifetime import Lifetime
from headwater.runtime.message import Message, arguments_of
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.turns import Turns

LIMIT: Final = 0.1
"""Seconds that a method may hold the loop, unless told otherwise."""

_LOOKS: Final = 5
"""How often the watchdog looks in each limit."""

_log: Final = logging.getLogger("headwater.runtime.watchdog")


class Stall(msgspec.Struct, frozen=True):
    """A method that holds the loop.

    Attributes:
        process: the label of the process; None if the code that holds the loop belongs to none.
        message: the method and its arguments, as far as they are known.
        seconds: for how long it has held the loop so far, at least.
        stack: the stack of the loop's thread, as text, innermost last.
    """

    process: str | None
    message: str
    seconds: float
    stack: str


class Watchdog:
    """Watches the event loop that runs where it is made. Reports each stall once, to the log and to `report`.

    Args:
        limit: seconds of real time that a method may hold the loop.
        report: called in the watchdog's own thread, or None.

    Raises:
        DefinitionError: the limit isn't positive.
    """

    def __init__(self, limit: float = LIMIT, report: Callable[[Stall], object] | None = None) -> None:
        if not limit > 0:
            raise DefinitionError(f"a watchdog's limit is a positive number of seconds, not {limit}")
        self._limit = limit
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._stopped = threading.Event()
        self._loop_turned = False
        self._thread = threading.Thread(target=self._watch, name="headwater-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more, and wait until the thread has ended, which it does at once."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        held: FrameType | None = None
        since, reported = 0.0, False
        while not self._stopped.wait(self._limit / _LOOKS):
            now = time.monotonic()
            frame = _call_on(self._stack())
            if frame is None:
                held = None
            elif frame is not held or self._loop_turned:
                held, since, reported = frame, now, False
                self._ask_for_a_turn()
            elif now - since >= self._limit and not reported:
                reported = True
                self._tell(now - since)
            del frame  # it would keep alive what the method holds

    def _ask_for_a_turn(self) -> None:
        self._loop_turned = False
        with suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        self._loop_turned = True

    def _stack(self) -> FrameType | None:
        return sys._current_frames().get(self._watched)  # noqa: SLF001 - documented, for debuggers like this

    def _tell(self, seconds: float) -> None:
        innermost = self._stack()
        process, message = _whose(innermost)
        stall = Stall(process, message, seconds, "".join(traceback.format_stack(innermost)))
        _log.error("%s has held the event loop for %.3f s: %s\n%s", process or "code", seconds, message, stall.stack)
        if self._report is not None:
            self._report(stall)


_METHODS: Final = [method for part in (Lifetime, Handling, Turns, Process) for method in vars(part).values()]
_MACHINERY: Final[frozenset[CodeType]] = frozenset(
    method.__code__ for method in (*_METHODS, Pid.call, Pid.begin) if isinstance(method, FunctionType)
)
_LOOP_CALLBACK: Final[CodeType] = asyncio.Handle._run.__code__  # noqa: SLF001 - only to know it


def _call_on(innermost: FrameType | None) -> FrameType | None:
    """The frame of the call that is running: a process's method, or else a callback of the loop. None if it is idle."""
    inner: FrameType | None = None
    coroutine: FrameType | None = None
    for frame in _outwards(innermost):
        if frame.f_code in _MACHINERY and inner is not None:
            return inner
        if frame.f_code is _LOOP_CALLBACK:
            return frame
        if frame.f_code.co_flags & CO_COROUTINE:
            coroutine = frame
        inner = frame
    return coroutine


def _whose(innermost: FrameType | None) -> tuple[str | None, str]:
    """The process whose method is running, and the message; no process, and the function, if it is other code."""
    for frame in _outwards(innermost):
        if frame.f_code in _MACHINERY:
            known = frame.f_locals
            process = known.get("process", known.get("self"))
            if isinstance(process, Process):
                return process.label, _message(process, known)
    return None, "nothing" if innermost is None else innermost.f_code.co_qualname


def _message(process: Process, known: Mapping[str, object]) -> str:
    message = process.running or _in_frame(known)
    if message is None:
        return "unknown"
    arguments, keywords = arguments_of(message)
    said = [*map(spoken, arguments), *(f"{name}={spoken(value)}" for name, value in keywords.items())]
    return f"{message[0].name}({', '.join(said)})"


def _in_frame(known: Mapping[str, object]) -> Message | None:
    """The message that a frame of the machinery is about: its own, or the one that a caller's turn never made."""
    if "handler" not in known:
        return None
    return cast("Message", (known["handler"], known["arguments"], known["keywords"], None))


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
