"""Publish and subscribe."""

from __future__ import annotations

from headwater.errors.base import HeadwaterError


class PubSubError(HeadwaterError):
    """Base of what goes wrong in publish and subscribe. Unless the class says otherwise, nobody got anything."""


class InvalidTopic(PubSubError, ValueError):
    """A topic is a non-empty string, and this is none."""


class InvalidTopicSubscription(PubSubError, ValueError):
    """A subscription was asked for with a capacity below 1, or with a policy that doesn't exist."""


class NotSubscribed(PubSubError):
    """A subscription is read outside of its `async with`, or entered a second time."""


class SubscriberTooSlow(PubSubError):
    """A subscription was ended because its reader was too slow: it has lost what was broadcast since.

    Args:
        topic: the subscription's topic.
        capacity: how many messages it could hold.
    """

    def __init__(self, topic: str, capacity: int) -> None:
        super().__init__(f"the reader of topic {topic!r} was too slow: {capacity} messages waited, and one more came")
        self.topic = topic
        self.capacity = capacity


class DispatcherUnknown(PubSubError):
    """No dispatcher is registered under this name."""


class DispatcherTaken(PubSubError):
    """Another dispatcher is registered under this name already."""


class NodeUnknown(PubSubError):
    """No node of this name has joined."""


class NodeTaken(PubSubError):
    """A node of this name has joined already."""


class PubSubClosed(PubSubError):
    """The PubSub was stopped, or not started yet."""


class PubSubOverloaded(PubSubError):
    """More messages wait for other nodes than may be queued. This one was not sent, and nobody got it."""


class PubSubUnreachable(PubSubError):
    """The transport to other nodes failed. Some of them may have got the message; this node's subscribers have not."""
