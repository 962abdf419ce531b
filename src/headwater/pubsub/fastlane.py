"""The fast lane: a message is encoded once for all who want it in the same form.

A process that serves one client, such as a channel's, subscribes with `Fastlane` as its metadata. A broadcast with the
dispatcher `fastlane` then doesn't go through that process: the message is encoded once for each serializer, and the
same bytes go straight to each client's transport.

    pubsub = PubSub(dispatchers={"fastlane": fastlane})
    pubsub.subscribe("room:1", self.pid, Fastlane(transport=socket, serializer=to_json))
    pubsub.broadcast("room:1", Posted("hello"), dispatcher="fastlane")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from headwater.pubsub.delivery import send_to_all
from headwater.pubsub.entry import Entry, Subscriber
from headwater.runtime.pid import Pid

Serializer: TypeAlias = Callable[[object], bytes]
"""Makes the bytes that a client gets. Serializers are the same if they are equal: share one among clients."""


class Fastlane(msgspec.Struct, frozen=True):
    """Metadata of a subscription: where its messages go instead of the subscriber.

    Attributes:
        transport: who gets the bytes, as one message each: a `Pid`, for instance.
        serializer: makes the bytes.
        intercepts: classes of messages that the subscriber wants itself, not encoded, instead of the transport.
    """

    transport: Subscriber
    serializer: Serializer
    intercepts: tuple[type, ...] = ()


def fastlane(entries: Sequence[Entry], message: object, source: Pid[object] | None) -> None:
    """The dispatcher. Subscriptions without `Fastlane` get the message itself.

    Nobody gets anything before all is encoded: if a serializer raises, its error goes to the broadcaster and nothing is
    sent.
    """
    plain: list[Subscriber] = []
    lanes: dict[Serializer, list[Subscriber]] = {}
    for entry in entries:
        if source is not None and entry.subscriber == source:
            continue
        lane = entry.metadata
        if not isinstance(lane, Fastlane) or isinstance(message, lane.intercepts):
            plain.append(entry.subscriber)
        else:
            lanes.setdefault(lane.serializer, []).append(lane.transport)
    frames = [(serializer(message), transports) for serializer, transports in lanes.items()]
    send_to_all(plain, message)
    for frame, transports in frames:
        send_to_all(transports, frame)
