"""Where the code stands that waits for an answer, for crash reports."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CoroutineType, FrameType
from typing import Final

_FRAMES: Final = 4
"""How many of a caller's frames a report names."""

_RUNTIME: Final = str(Path(__file__).parent)
_INLINE: Final = ("fail_inline", "begin_task")
"""The functions on the stack by which a crash in a caller's own turn is known."""


def client_of(reply: asyncio.Future[object] | None) -> str | None:
    """Where the caller stands that waits for this answer, innermost first; None if nobody is known to wait.

    If nobody waits for the answer yet, the caller is on the stack itself, or there is none.
    """
    for callback, *_ in getattr(reply, "_callbacks", None) or ():
        task = getattr(callback, "__self__", None)
        if isinstance(task, asyncio.Task):
            return where(task)
    return _caller()


def where(task: asyncio.Task[object]) -> str:
    """Where in the code a suspended task stands, innermost first, without the runtime's own frames."""
    frames: list[FrameType] = []
    awaited: object = task.get_coro()
    while isinstance(awaited, CoroutineType):
        if awaited.cr_frame is not None:
            frames.append(awaited.cr_frame)
        awaited = awaited.cr_await
    return _places(reversed(frames))


def _caller() -> str | None:
    frames = list(_stack())
    inline = next((depth for depth, frame in enumerate(frames) if frame.f_code.co_name in _INLINE), None)
    return None if inline is None else _places(iter(frames[inline:]))


def _stack() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - CPython's own way; `inspect` does the same
    while frame is not None:
        yield frame
        frame = frame.f_back


def _places(frames: Iterator[FrameType]) -> str:
    codes = [(frame.f_code, frame.f_lineno) for frame in frames if not frame.f_code.co_filename.startswith(_RUNTIME)]
    return " < ".join(f"{code.co_name} ({code.co_filename}:{line})" for code, line in codes[:_FRAMES])
