"""Frozen messages: a debug mode in which nothing mutable is sent.

Processes share memory, so a message is not copied: sender and receiver hold the same object. Whoever changes it after
it was sent changes the other's state, without a message. The policy for production is: **send immutable values, and
nothing checks that you do**; a check of every message would cost more than most messages. Run your tests with
`System(frozen_messages=True)`: there each argument of a call or a cast, and each message that is sent, is looked
through, and something mutable is refused in the sender's turn with the path to it:

    MutableMessage: Ledger 'ledger' increment: argument 0[2].items is a list; send a tuple

So is an answer, deferred or not: the caller gets `MutableMessage` in its place, and the process lives on. What the
methods of supervisors answer is theirs to decide.

Immutable are numbers, strings, bytes, dates, enums, paths, functions, classes, exceptions, and of such: tuples,
frozensets, mapping proxies, frozen dataclasses and frozen msgspec Structs. Headwater's own types, such as addresses,
may be sent. A class of yours whose instances are shared on purpose says so with `__shared__ = True`. In
this mode no call runs in its caller's turn; without it, it costs nothing.
"""

from __future__ import annotations

import asyncio
from typing import cast

from headwater.errors import MutableMessage
from headwater.immutable import instead, mutable_parts
from headwater.runtime.handlers import Handler
from headwater.runtime.introspect_mailbox import watch_mailbox
from headwater.runtime.message import Message, arguments_of
from headwater.runtime.orders import STOP, SYSTEM
from headwater.runtime.process import Process
from headwater.runtime.supervising import Supervising


def freeze(process: Process) -> None:
    """Refuse what is mutable among the messages for this process from now on."""

    def check(message: Message) -> Message:
        _check(process, message)
        return _with_checked_answer(process, message)

    watch_mailbox(process, check)
    process.add_observer(_take_the_long_way)


def _take_the_long_way(_: str, __: object) -> None:
    """An observer, so that every message goes through the mailbox, where it is checked."""


def _check(process: Process, message: Message) -> None:
    handler, (arguments, keywords) = message[0], arguments_of(message)
    if handler in (SYSTEM, STOP):
        return
    named = [*((f"argument {number}", value) for number, value in enumerate(arguments)), *keywords.items()]
    for name, value in named:
        _refuse_mutable(process, handler, value, name)


def _refuse_mutable(process: Process, handler: Handler, value: object, name: str) -> None:
    for path, culprit in mutable_parts(value, name):
        what = f"{process.label} {handler.name}: {path} is a {type(culprit).__qualname__}"
        raise MutableMessage(f"{what}; send {instead(culprit)}")


def _with_checked_answer(process: Process, message: Message) -> Message:
    handler, arguments, keywords, reply = message
    if reply is None or handler in (SYSTEM, STOP) or isinstance(process.server, Supervising):
        return message
    checked = _CheckedReply(process, handler, reply)
    return handler, arguments, keywords, cast("asyncio.Future[object]", checked)


class _CheckedReply:
    """Stands in for the future of an answer, as far as a process uses one."""

    __slots__ = ("_handler", "_process", "_reply")

    def __init__(self, process: Process, handler: Handler, reply: asyncio.Future[object]) -> None:
        self._process = process
        self._handler = handler
        self._reply = reply

    @property
    def _callbacks(self) -> object:
        """By these a crash report knows who waits."""
        return getattr(self._reply, "_callbacks", None)

    def done(self) -> bool:
        return self._reply.done()

    def set_result(self, answer: object) -> None:
        try:
            _refuse_mutable(self._process, self._handler, answer, "answer")
        except MutableMessage as error:
            self.set_exception(error.with_traceback(None))
        else:
            self._reply.set_result(answer)

    def set_exception(self, error: BaseException) -> None:
        self._reply.set_exception(error)
