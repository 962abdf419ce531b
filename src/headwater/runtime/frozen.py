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
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import re
import uuid
from collections.abc import Iterator
from pathlib import PurePath
from types import BuiltinFunctionType, EllipsisType, FunctionType, MappingProxyType, MethodType, ModuleType, NoneType
from typing import Final, cast

import msgspec

from headwater.errors import MutableMessage
from headwater.runtime.handlers import Handler
from headwater.runtime.introspect_mailbox import watch_mailbox
from headwater.runtime.message import Message, arguments_of
from headwater.runtime.process import STOP, SYSTEM, Process
from headwater.runtime.supervising import Supervising

_ATOMS: Final = (
    NoneType, EllipsisType, bool, int, float, complex, str, bytes, range, enum.Enum, type, BaseException,
    decimal.Decimal, fractions.Fraction, dt.date, dt.time, dt.timedelta, dt.tzinfo, uuid.UUID,
    re.Pattern, PurePath, FunctionType, BuiltinFunctionType, MethodType, ModuleType,
)  # fmt: skip

_INSTEAD: Final[dict[type, str]] = {
    list: "a tuple",
    set: "a frozenset",
    dict: "a types.MappingProxyType or a frozen struct",
    bytearray: "bytes",
}


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
    for path, culprit in _mutable(value, name):
        what = f"{process.label} {handler.name}: {path} is a {type(culprit).__qualname__}"
        raise MutableMessage(f"{what}; send {_instead(culprit)}")


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


def _mutable(value: object, path: str) -> Iterator[tuple[str, object]]:
    """The mutable values in `value`, with the path to each."""
    if isinstance(value, _ATOMS) or _is_trusted(type(value)):
        return
    parts = _parts(value)
    if parts is None:
        yield path, value
        return
    for step, part in parts:
        yield from _mutable(part, f"{path}{step}")


def _is_trusted(kind: type) -> bool:
    return bool(getattr(kind, "__shared__", False)) or kind.__module__.startswith("headwater.")


def _parts(value: object) -> list[tuple[str, object]] | None:
    """What an immutable container holds, each with the step to it; None if the value isn't one."""
    if isinstance(value, tuple):
        return [(f"[{number}]", part) for number, part in enumerate(value)]
    if isinstance(value, frozenset):
        return [("{}", part) for part in value]
    if isinstance(value, MappingProxyType):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if _is_frozen_record(value):
        return [(f".{name}", getattr(value, name)) for name in _fields(value)]
    return None


def _is_frozen_record(value: object) -> bool:
    if isinstance(value, msgspec.Struct):
        return value.__struct_config__.frozen
    return bool(getattr(getattr(value, "__dataclass_params__", None), "frozen", False))


def _fields(value: object) -> tuple[str, ...]:
    names = value.__struct_fields__ if isinstance(value, msgspec.Struct) else getattr(value, "__dataclass_fields__", ())
    return tuple(names)


def _instead(value: object) -> str:
    for kind, better in _INSTEAD.items():
        if isinstance(value, kind):
            return better
    return (
        "a frozen one" if isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value) else "immutable values"
    )
