"""Work that begins at once, and becomes a task only if it has to wait."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Generator


def begin(loop: asyncio.AbstractEventLoop, work: Coroutine[object, None, None]) -> asyncio.Task[None] | None:
    """Run `work` up to its first wait, in a context of its own.

    Until then `asyncio.current_task` is the caller's, so the work must not set itself a timeout before it waits.

    Returns:
        The task that goes on; None if the work has ended already, without having waited.

    Raises:
        Exception: what the work raised before its first wait.
    """
    context = contextvars.copy_context()
    try:
        awaited = context.run(work.send, None)
    except StopIteration:
        return None
    return loop.create_task(_Begun(work, awaited), context=context)


class _Begun(Coroutine[object, None, None]):
    """A coroutine that was begun. What it waits for is handed to the task that goes on with it."""

    __slots__ = ("_awaited", "_is_new", "_work")

    def __init__(self, work: Coroutine[object, None, None], awaited: object) -> None:
        self._work = work
        self._awaited = awaited
        self._is_new = True

    def send(self, value: None) -> object:
        """Go on. The first time there is nothing new yet, only what it waits for already."""
        if self._is_new:
            self._is_new = False
            awaited, self._awaited = self._awaited, None
            return awaited
        return self._work.send(value)

    def throw(self, *error: object) -> object:
        """Go on with an error."""
        self._is_new = False
        self._awaited = None
        return self._work.throw(*error)  # type: ignore[call-overload]  # as it comes

    def close(self) -> None:
        """End it."""
        self._work.close()

    def __await__(self) -> Generator[object, None, None]:
        return self._work.__await__()
