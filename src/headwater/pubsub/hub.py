"""Several PubSubs of one Python process, joined as if each were a node of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from headwater.errors import DefinitionError, NodeTaken, NodeUnknown, PubSubClosed, PubSubOverloaded, one_of
from headwater.pubsub.adapter import Receive
from headwater.pubsub.local import check_node

INBOX: Final = 10_000
"""How many broadcasts may wait for a node, unless the hub says otherwise."""


class Hub:
    """What joins several PubSubs on one event loop, for tests of programs that will run on several nodes.

        hub = Hub()
        async with PubSub(hub.adapter("a"), codec=codec) as one, PubSub(hub.adapter("b"), codec=codec) as other:
            one.broadcast("trades", Trade(100))      # also to the subscribers of the other

    As between machines, messages travel encoded, arrive in a later turn of the event loop, and are lost when a node
    leaves.

    Args:
        capacity: how many broadcasts may wait for a node, at least 1. When they do, a further one is refused to its
            sender, with `PubSubOverloaded`.

    Raises:
        DefinitionError: the capacity is below 1.
    """

    def __init__(self, capacity: int = INBOX) -> None:
        if capacity < 1:
            raise DefinitionError(f"a node's inbox holds at least 1 broadcast, not {capacity}")
        self.capacity = capacity
        self._joined: dict[str, HubAdapter] = {}

    def adapter(self, node: str) -> HubAdapter:
        """The way into the hub for a node of this name. It joins when it is started.

        Raises:
            DefinitionError: the name is no non-empty string.
        """
        return HubAdapter(self, node)

    def nodes(self) -> list[str]:
        """The names of the nodes that have joined, in alphabetical order."""
        return sorted(self._joined)

    def join(self, adapter: HubAdapter) -> None:
        """Let a node in. Used by its adapter.

        Raises:
            NodeTaken: one of this name is in already.
        """
        if self._joined.setdefault(adapter.node, adapter) is not adapter:
            raise NodeTaken(f"a node {adapter.node!r} has joined already; give each a name of its own")

    def leave(self, adapter: HubAdapter) -> None:
        """Let a node go. Used by its adapter."""
        if self.has(adapter):
            del self._joined[adapter.node]

    def has(self, adapter: HubAdapter) -> bool:
        """Whether the node has joined."""
        return self._joined.get(adapter.node) is adapter

    def others(self, adapter: HubAdapter) -> list[HubAdapter]:
        """All nodes but one."""
        return [other for other in self._joined.values() if other is not adapter]

    def get(self, node: str) -> HubAdapter:
        """The node of this name.

        Raises:
            NodeUnknown: none has joined.
        """
        adapter = self._joined.get(node)
        if adapter is None:
            raise NodeUnknown(f"no node {node!r} has joined; there are: {one_of(self.nodes())}")
        return adapter


class HubAdapter:
    """One node's way into a `Hub`. Made by `Hub.adapter`."""

    distributed = True
    knows_nodes = True

    def __init__(self, hub: Hub, node: str) -> None:
        check_node(node)
        self.node = node
        self._hub = hub
        self._inbox: deque[bytes] = deque()
        self._receive: Receive | None = None
        self._scheduled = False

    async def start(self, receive: Receive) -> None:
        """Join the hub."""
        self._hub.join(self)
        self._receive = receive

    async def stop(self) -> None:
        """Leave the hub. What waits in the inbox is lost."""
        self._hub.leave(self)
        self._inbox.clear()
        self._receive = None

    def broadcast(self, data: bytes) -> None:
        """Put the bytes into each other node's inbox, or into none."""
        self._send(self._hub.others(self), data)

    def direct_broadcast(self, node: str, data: bytes) -> None:
        """Put the bytes into one node's inbox."""
        self._check_joined()
        self._send([self._hub.get(node)], data)

    def _send(self, targets: list[HubAdapter], data: bytes) -> None:
        self._check_joined()
        for target in targets:
            if len(target._inbox) >= self._hub.capacity:  # noqa: SLF001 - another of this class
                raise PubSubOverloaded(f"{self._hub.capacity} broadcasts wait for node {target.node!r} already")
        for target in targets:
            target._accept(data)  # noqa: SLF001 - likewise

    def _check_joined(self) -> None:
        if not self._hub.has(self):
            raise PubSubClosed(f"node {self.node!r} has not joined; start it first")

    def _accept(self, data: bytes) -> None:
        self._inbox.append(data)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        for _ in range(len(self._inbox)):
            if self._receive is None or not self._inbox:
                return  # it was stopped meanwhile
            self._receive(self._inbox.popleft())
