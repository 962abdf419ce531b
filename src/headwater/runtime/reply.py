"""An answer that is given later than the handler returns."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, Protocol, TypeVar

import msgspec

Answer = TypeVar("Answer")


class Answering(Protocol):
    """Whose answer is deferred: a process, as far as this module has to know it."""

    def release(self, deferred: Deferred[Any], /) -> None:
        """The answer is known, so that there is nothing to fail any more if the process ends."""

    def answered(self, answer: object, /) -> None:
        """A caller has got this answer, or this error."""


class Deferred(msgspec.Struct, Generic[Answer], eq=False):
    """The promise of an answer. A handler gets one from `GenServer.defer`, returns it, and keeps it:

        def reserve(self, seats: int) -> Deferred[Ticket]:
            deferred = self.defer(Ticket)
            self.waiting.append((seats, deferred))
            return deferred

    The caller waits until somebody calls `reply` or `fail`; only the first of them counts. If the process ends
    before that, the caller gets `ProcessDown`.
    """

    _process: Answering
    _future: asyncio.Future[Answer] | None = None
    _resolved: bool = False
    _value: Answer | None = None
    _error: BaseException | None = None

    def reply(self, value: Answer) -> None:
        """Answer the caller. Dropped when it has given up or was answered already."""
        if not self._resolved:
            self._resolved = True
            self._value = value
            self._settle()

    def fail(self, error: BaseException) -> None:
        """Make the caller's call raise `error`. Dropped when it has given up or was answered already."""
        if not self._resolved:
            self._resolved = True
            self._error = error
            self._settle()

    @property
    def resolved(self) -> bool:
        """Whether it was answered, or made to fail."""
        return self._resolved

    @property
    def abandoned(self) -> bool:
        """Whether the caller has given up waiting, so that work for it would be in vain."""
        return not self._resolved and self._future is not None and self._future.done()

    def attach(self, future: asyncio.Future[Answer]) -> None:
        """Let `future` have the answer. Used once, by the runtime."""
        if self._resolved:
            self._pass_on(future)
        else:
            self._future = future

    def _settle(self) -> None:
        self._process.release(self)
        future, self._future = self._future, None
        if future is not None:
            self._pass_on(future)

    def _pass_on(self, future: asyncio.Future[Answer]) -> None:
        error, self._error = self._error, None  # kept, it and its traceback's frames would hold each other
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
            self._process.answered(error)
        else:
            future.set_result(self._value)  # type: ignore[arg-type]  # set together with _resolved
            self._process.answered(self._value)
