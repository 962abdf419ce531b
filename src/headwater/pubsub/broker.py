"""PubSub: the facade."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from types import TracebackType
from typing import Final, Literal, Self, TypeVar, overload

from headwater.codec import Codec
from headwater.errors import (
    DispatcherTaken,
    DispatcherUnknown,
    InvalidTopic,
    NodeUnknown,
    PubSubClosed,
    one_of,
)
from headwater.pubsub.adapter import PubSubAdapter
from headwater.pubsub.buffer import Buffer, Dropped, Overflow
from headwater.pubsub.entry import Dispatcher
from headwater.pubsub.local import LocalAdapter
from headwater.pubsub.packet import Packet
from headwater.pubsub.subscribers import Subscribers
from headwater.pubsub.subscription import Subscription
from headwater.pubsub.topics import SHARDS
from headwater.runtime.pid import Pid
from headwater.telemetry import SpanName, Telemetry

BROADCAST: Final = SpanName("headwater", "pubsub", "broadcast")
"""One broadcast, until it is sent and dispatched here. Metadata: topic, node (whose, of a direct one; None is every
node); at the end also subscriptions, of this node."""
RECEIVE: Final = SpanName("headwater", "pubsub", "receive")
"""One broadcast of another node, until it is dispatched here. Metadata: bytes; at the end also topic, subscriptions."""

SUBSCRIPTION_CAPACITY: Final = 1_000
"""How many messages a subscription holds for its reader, unless it says otherwise."""

Message = TypeVar("Message")

_log: Final = logging.getLogger("headwater.pubsub")


class PubSub:
    """Topics and their subscribers, on one node or several.

        pubsub = PubSub()
        pubsub.subscribe("trades", self.pid)        # messages come to `handle_info`
        pubsub.broadcast("trades", Trade(100))

    A topic is any non-empty string; only equal strings match, there are no wildcards. Delivery is at most once, without
    a memory: who subscribes later has missed what came before. What one node broadcasts arrives everywhere in that
    order. Nothing here waits: subscribers handle messages in turns of their own.

    A PubSub that is alone is ready at once, and needs no `async with`. One with an adapter that joins several nodes has
    joined within its `async with` only. Then messages travel encoded, and the codec has to know their classes; on the
    broadcaster's own node, subscribers get the object itself.

    Args:
        adapter: the way to other nodes; there are none by default.
        codec: knows the classes of messages that go to other nodes.
        telemetry: who wants to know; nobody by default.
        dispatchers: by name; see `Dispatcher`. All nodes need the same ones.
        shards: in how many dictionaries the topics lie; more make for shorter pauses when there are millions.

    Attributes:
        undelivered: how many broadcasts of other nodes could not be decoded or dispatched here. Each is logged.

    Raises:
        InvalidTopicSubscription: fewer than one shard.
    """

    def __init__(
        self,
        adapter: PubSubAdapter | None = None,
        *,
        codec: Codec | None = None,
        telemetry: Telemetry | None = None,
        dispatchers: Mapping[str, Dispatcher] | None = None,
        shards: int = SHARDS,
    ) -> None:
        self.adapter: Final[PubSubAdapter] = adapter or LocalAdapter()
        self.codec: Final = codec or Codec()
        self.telemetry: Final = telemetry or Telemetry()
        self.undelivered = 0
        self._dispatchers: Final = dict(dispatchers or {})
        self._subscribers: Final = Subscribers(shards)
        self._open = not self.adapter.distributed

    # --- subscribing -----------------------------------------------------------------------------------------

    def subscribe(self, topic: str, pid: Pid[object], metadata: object = None) -> None:
        """Send the topic's messages to a process, from now on, for its `handle_info`.

        Subscribing twice delivers twice. The subscription ends with the process, before anybody hears of its end. When
        its mailbox is full, the process's own policy decides, and its `info` counts; as soon as there is room for both,
        it gets a `Dropped` before the next message of the topic.

        Args:
            topic: the topic.
            pid: the process; mostly the one that calls this, with `self.pid`, also in its `init`.
            metadata: for dispatchers.

        Raises:
            InvalidTopic: the topic is no non-empty string.
            ProcessDown: the process has ended.
            PubSubClosed: the PubSub was stopped, or not started yet.
        """
        _check(topic)
        self._check_open()
        self._subscribers.add(topic, pid, metadata)

    def unsubscribe(self, topic: str, pid: Pid[object]) -> None:
        """End all of the process's subscriptions to the topic. Harmless when there is none.

        Messages that wait in its mailbox already are handled.

        Raises:
            InvalidTopic: the topic is no non-empty string.
        """
        _check(topic)
        self._subscribers.remove(topic, pid)

    @overload
    def subscription(
        self,
        topic: str,
        *,
        capacity: int = ...,
        overflow: Overflow = ...,
        coalesce: Callable[[object], Hashable] | None = ...,
    ) -> Subscription[object]: ...

    @overload
    def subscription(
        self,
        topic: str,
        *,
        of: type[Message],
        capacity: int = ...,
        overflow: Literal["disconnect"] = ...,
        coalesce: Callable[[Message], Hashable] | None = ...,
    ) -> Subscription[Message]: ...

    @overload
    def subscription(
        self,
        topic: str,
        *,
        of: type[Message],
        capacity: int = ...,
        overflow: Literal["drop_oldest", "drop_newest"],
        coalesce: Callable[[Message], Hashable] | None = ...,
    ) -> Subscription[Message | Dropped]: ...

    def subscription(
        self,
        topic: str,
        *,
        of: type = object,
        capacity: int = SUBSCRIPTION_CAPACITY,
        overflow: Overflow = "disconnect",
        coalesce: Callable[..., Hashable] | None = None,
    ) -> Subscription[object]:
        """The topic's messages for code that is no process, from the moment `async with` is entered.

        Args:
            topic: the topic.
            of: the class of messages that are wanted; others are passed over.
            capacity: how many messages may wait for the reader.
            overflow: what happens beyond: the reader is disconnected, unless messages may be dropped; see `Overflow`.
            coalesce: gives each message a key, so that of those with the same key only the newest waits. If it raises,
                the subscription ends, and the reader gets the error.

        Raises:
            InvalidTopic: the topic is no non-empty string.
            InvalidTopicSubscription: the capacity is below 1, or there is no such policy.
        """
        _check(topic)
        return Subscription(of, Buffer(topic, capacity, overflow, coalesce), self._join)

    # --- broadcasting ----------------------------------------------------------------------------------------

    def broadcast(self, topic: str, message: object, *, dispatcher: str | None = None) -> int:
        """Send the message to everybody who is subscribed now: first to the other nodes, then on this one.

        Args:
            topic: the topic.
            message: immutable, for all get the same object; with other nodes, of a class that the codec knows.
            dispatcher: the name of what hands it on, on each node; by default every subscriber gets it.

        Returns:
            How many subscriptions the topic has on this node.

        Raises:
            InvalidTopic: the topic is no non-empty string.
            DispatcherUnknown: no dispatcher is registered under the name.
            UnknownType, CodecError: there are other nodes, and the message can't be encoded for them.
            PubSubClosed, PubSubOverloaded, PubSubUnreachable: see there. This node's subscribers get nothing then.
        """
        return self._broadcast(topic, message, None, dispatcher)

    def broadcast_from(self, source: Pid[object], topic: str, message: object, *, dispatcher: str | None = None) -> int:
        """As `broadcast`, but one process does not get it, also if it is subscribed."""
        return self._broadcast(topic, message, source, dispatcher)

    def local_broadcast(self, topic: str, message: object, *, dispatcher: str | None = None) -> int:
        """As `broadcast`, but on this node only. The message may be of any class."""
        return self._local_broadcast(topic, message, None, dispatcher)

    def local_broadcast_from(
        self, source: Pid[object], topic: str, message: object, *, dispatcher: str | None = None
    ) -> int:
        """As `local_broadcast`, but one process does not get it, also if it is subscribed."""
        return self._local_broadcast(topic, message, source, dispatcher)

    def direct_broadcast(self, node: str, topic: str, message: object, *, dispatcher: str | None = None) -> None:
        """As `broadcast`, but on one node only; if that is this one, as `local_broadcast`.

        Raises:
            NodeUnknown: no node of this name has joined. Not all adapters know: see their `knows_nodes`.
        """
        if node == self.node:
            self._local_broadcast(topic, message, None, dispatcher)
            return
        self._check(topic, dispatcher)
        if not self.adapter.distributed:
            raise NodeUnknown(f"there is no node {node!r}; {self.node!r} is alone")
        with self.telemetry.span(BROADCAST, topic=topic, node=node):
            self.adapter.direct_broadcast(node, self._packet(topic, message, dispatcher))

    def register_dispatcher(self, name: str, dispatcher: Dispatcher) -> None:
        """Let broadcasts name this dispatcher. Registering the same pair again changes nothing.

        Raises:
            DispatcherTaken: another one has the name.
        """
        if self._dispatchers.setdefault(name, dispatcher) is not dispatcher:
            raise DispatcherTaken(f"there is another dispatcher {name!r} already")

    # --- looking ---------------------------------------------------------------------------------------------

    @property
    def node(self) -> str:
        """This node's name."""
        return self.adapter.node

    def subscribers(self, topic: str) -> int:
        """How many subscriptions the topic has on this node.

        Raises:
            InvalidTopic: the topic is no non-empty string.
        """
        _check(topic)
        return self._subscribers.count(topic)

    def topics(self, pid: Pid[object]) -> tuple[str, ...]:
        """The topics that a process is subscribed to, in the order of its subscriptions."""
        return self._subscribers.topics(pid)

    def __len__(self) -> int:
        """How many subscriptions there are on this node."""
        return len(self._subscribers)

    def __bool__(self) -> bool:
        return True

    # --- running ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the other nodes. Harmless when it has joined already.

        Raises:
            NodeTaken: a node of this name has joined already.
            PubSubUnreachable: the transport can't be reached.
        """
        if not self._open or not self.adapter.distributed:
            await self.adapter.start(self._receive)
            self._open = True

    async def stop(self) -> None:
        """Leave the other nodes, and end all subscriptions. Harmless when done already."""
        self._open = False
        self._subscribers.clear()
        await self.adapter.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- within ----------------------------------------------------------------------------------------------

    def _broadcast(self, topic: str, message: object, source: Pid[object] | None, dispatcher: str | None) -> int:
        if self.telemetry.listening:
            with self.telemetry.span(BROADCAST, topic=topic, node=None) as span:
                count = self._send(topic, message, source, dispatcher)
                span.set(subscriptions=count)
            return count
        return self._send(topic, message, source, dispatcher)

    def _send(self, topic: str, message: object, source: Pid[object] | None, dispatcher: str | None) -> int:
        dispatch = self._check(topic, dispatcher)
        if self.adapter.distributed:
            self.adapter.broadcast(self._packet(topic, message, dispatcher))
        return self._subscribers.dispatch(topic, message, source, dispatch)

    def _local_broadcast(self, topic: str, message: object, source: Pid[object] | None, dispatcher: str | None) -> int:
        with self.telemetry.span(BROADCAST, topic=topic, node=self.node) as span:
            dispatch = self._check(topic, dispatcher)
            count = self._subscribers.dispatch(topic, message, source, dispatch)
            span.set(subscriptions=count)
        return count

    def _packet(self, topic: str, message: object, dispatcher: str | None) -> bytes:
        name, data = self.codec.encode(message)
        return Packet(topic, name.name, name.version, data, dispatcher).encode()

    def _receive(self, data: bytes) -> None:
        """Dispatch what another node has sent. While this one joins or leaves, nobody is subscribed."""
        if not self._open:
            return
        try:
            with self.telemetry.span(RECEIVE, bytes=len(data)) as span:
                packet = Packet.decode(data)
                message = self.codec.decode(packet.type_name, packet.data)
                dispatch = self._check(packet.topic, packet.dispatcher)
                count = self._subscribers.dispatch(packet.topic, message, None, dispatch)
                span.set(topic=packet.topic, subscriptions=count)
        except Exception:  # noqa: BLE001 - whatever others send, this node goes on
            self.undelivered += 1
            _log.exception("node %r could not deliver a broadcast of another node", self.node)

    def _join(self, reader: Subscription[object]) -> Callable[[], None]:
        self._check_open()
        return self._subscribers.join(reader)

    def _check(self, topic: object, dispatcher: str | None) -> Dispatcher | None:
        """Look at what is to be broadcast; find the dispatcher."""
        _check(topic)
        self._check_open()
        if dispatcher is None:
            return None
        found = self._dispatchers.get(dispatcher)
        if found is None:
            known = one_of(list(self._dispatchers))
            raise DispatcherUnknown(f"there is no dispatcher {dispatcher!r}; there are: {known}")
        return found

    def _check_open(self) -> None:
        if not self._open:
            raise PubSubClosed(f"the PubSub of node {self.node!r} has been stopped, or not been started yet")


def _check(topic: object) -> None:
    if not isinstance(topic, str) or not topic:
        raise InvalidTopic(f"a topic is a non-empty string, not {topic!r}")
