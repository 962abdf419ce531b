"""Who is subscribed to a topic, as dispatchers see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from headwater.runtime.pid import Pid


class Subscriber(Protocol):
    """Whoever takes messages: a `Pid`, or a `Subscription`."""

    def send(self, message: object) -> None:
        """Take a message. Never waits and never raises; what finds no room is counted and dropped."""


class Entry(msgspec.Struct, frozen=True, eq=False):
    """One subscription to one topic. Entries are distinct, also if all their parts are equal.

    Attributes:
        subscriber: who gets the messages.
        metadata: what was given with the subscription, for dispatchers.
    """

    subscriber: Subscriber
    metadata: object = None


class Dispatcher(Protocol):
    """Decides what the subscribers of a topic get. A function will do.

    It runs in the turn of whoever broadcasts, on each node that the broadcast reaches, so it must not wait. There it is
    found by the name under which it is registered: register the same ones on all nodes. What it raises goes to the
    broadcaster; on other nodes it is logged and counted. It hands on with `Subscriber.send`, or with `send_to_all`.
    When a process's mailbox is full, the loss is counted, but only a broadcast without a dispatcher tells of it.
    """

    def __call__(self, entries: Sequence[Entry], message: object, source: Pid[object] | None, /) -> None:
        """Hand on a message.

        Args:
            entries: this node's subscriptions to the topic, at least one, in the order in which they were made.
            message: the message.
            source: the process that shall not get it, of `broadcast_from`; None on other nodes.
        """
