"""Frozen messages: a debug mode in which nothing mutable is sent.

Processes share memory, so a message is not copied: sender and receiver hold the same object. Whoever changes it after
it was sent changes the other's state, without a message. The policy for production is: **send immutable values, and
nothing checks that you do**; a check of every message would cost more than most messages. Run your tests with
`System(frozen_messages=True)`: there each argument of a call or a cast, and each message that is sent, is looked
through, and something mutable is refused in the sender's turn with the path to it:

    MutableMessage: Ledger 'ledger' increment: argument 0[2].items is a list; send a tuple

Immutable are numbers, strings, bytes, dates, enums, paths, functions, classes, exceptions, and of such: tuples,
frozensets, mapping proxies, frozen dataclasses and frozen msgspec Structs. Headwater's own types, such as addresses,
may be sent. A class of yours whose instances are shared on purpose says so with `__shared__ = True`. Answers are not
checked. In this mode no call runs in its caller's turn; without it, it costs nothing.
"""

from __future__ import annotations

from headwater.errors import MutableMessage
from headwater.immutable import instead, mutable_parts
from headwater.runtime.introspect_mailbox import watch_mailbox
from headwater.runtime.message import Message
from headwater.runtime.process import STOP, SYSTEM, Process


def freeze(process: Process) -> None:
    """Refuse what is mutable among the messages for this process from now on."""

    def check(message: Message) -> None:
        _check(process, message)

    watch_mailbox(process, check)
    process.add_observer(_take_the_long_way)


def _take_the_long_way(_: str, __: object) -> None:
    """An observer, so that every message goes through the mailbox, where it is checked."""


def _check(process: Process, message: Message) -> None:
    handler, arguments, keywords, _ = message
    if handler in (SYSTEM, STOP):
        return
    named = [*((f"argument {number}", value) for number, value in enumerate(arguments)), *keywords.items()]
    for name, value in named:
        for path, culprit in mutable_parts(value, name):
            what = f"{process.label} {handler.name}: {path} is a {type(culprit).__qualname__}"
            raise MutableMessage(f"{what}; send {instead(culprit)}")
