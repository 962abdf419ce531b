"""Selective receive: a handler waits for one plain message, wherever it stands in the mailbox.

The message is looked for among those that wait, once; after that each new one is looked at when it comes. Until the
handler takes it, it stays in the mailbox, so that a wait that ends otherwise loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from headwater.errors import DeadlineExceeded, DefinitionError, InternalError, ProcessError
from headwater.runtime.mailbox_attentive import AttentiveMailbox, listen
from headwater.runtime.message import Message
from headwater.runtime.process import Process, current
from headwater.runtime.states import AWAITING, RUNNING

Matching: TypeAlias = "type | Callable[[object], bool]"
"""Which messages are meant: those of a class, or those for which a function says True."""


async def receive(process: Process, matching: Matching, timeout: float | None) -> object:
    """Wait for the first plain message that matches, take it out of the mailbox, and return it.

    Args:
        process: whose async handler is running.
        matching: which.
        timeout: seconds; None waits for ever.

    Raises:
        DeadlineExceeded: none came in time.
        ProcessError: this isn't code of the process itself, or it waits for a message already.
        DefinitionError: `matching` is neither a class nor a function.
        Exception: what `matching` raised. The message that it was asked about stays in the mailbox.
    """
    if current.get() is not process or process.state not in (AWAITING, RUNNING):
        raise ProcessError(f"{process.label}: receive belongs in an async method of the process itself")
    if isinstance(process.mailbox, AttentiveMailbox) and process.mailbox.listener is not None:
        raise ProcessError(f"{process.label} waits for a message already; it can wait for one at a time")
    search = _Search(process, matching)
    message = search.first() or await _wait(search, timeout)
    _remove(process, message)
    process.handled += 1
    process.observe("in", message)
    return message[1]


async def _wait(search: _Search, timeout: float | None) -> Message:
    process = search.process
    timer = None if timeout is None else process.node.clock.call_later(timeout, lambda: search.expire(timeout))
    listen(process, search.consider)
    try:
        while True:
            message = await search.outcome()
            if any(message is waiting for waiting in process.mailbox):
                return message
            search.begin_again()  # meanwhile it was dropped for a later one, or its monitor was ended
    finally:
        listen(process, None)
        if timer is not None:
            timer.cancel()


def _remove(process: Process, message: Message) -> None:
    """Take out this very message, whatever it and others say about being equal."""
    for place, waiting in enumerate(process.mailbox):
        if waiting is message:
            del process.mailbox[place]
            return


class _Search:
    """What is looked for, and what came of it.

    Attributes:
        process: in whose mailbox.
    """

    __slots__ = ("_failure", "_found", "_matches", "_matching", "_plain", "process")

    def __init__(self, process: Process, matching: Matching) -> None:
        self.process = process
        self._matching = matching
        self._matches = _predicate(matching)
        self._plain = (process.handlers.info, process.handlers.signal)
        self._failure: Exception | None = None
        self._found: asyncio.Future[Message | None] = process.node.loop.create_future()

    def first(self) -> Message | None:
        """The first of the messages that wait."""
        return next((message for message in self.process.mailbox if self._is_wanted(message)), None)

    async def outcome(self) -> Message:
        """Wait for the message that is found, or raise why none will be."""
        message = await self._found
        if message is None:
            raise self._failure or InternalError("a search ended without outcome")
        return message

    def begin_again(self) -> None:
        """Look for another one."""
        self._found = self.process.node.loop.create_future()
        message = self.first()
        if message is not None or self._failure is not None:
            self._found.set_result(message)

    def consider(self, message: Message) -> None:
        """Look at a message that has just come. This runs in the sender's turn, and the sender must not suffer."""
        if self._found.done():
            return
        try:
            if self._is_wanted(message):
                self._found.set_result(message)
        except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
            self._fail(error)

    def expire(self, timeout: float) -> None:
        """The time is over."""
        wanted = getattr(self._matching, "__qualname__", repr(self._matching))
        self._fail(DeadlineExceeded(f"{self.process.label} received no {wanted} within {timeout} s"))

    def _fail(self, error: Exception) -> None:
        self._failure = error
        if not self._found.done():
            self._found.set_result(None)

    def _is_wanted(self, message: Message) -> bool:
        return message[0] in self._plain and self._matches(message[1])


def _predicate(matching: Matching) -> Callable[[object], bool]:
    if isinstance(matching, type):
        return lambda content: isinstance(content, matching)
    if not callable(matching):
        raise DefinitionError(f"receive takes a class, or a function that tells which messages match, not {matching!r}")
    return matching
