"""The adapter of a node that is alone."""

from __future__ import annotations

from headwater.errors import DefinitionError, NodeUnknown, PubSubClosed
from headwater.pubsub.adapter import Receive


class LocalAdapter:
    """There are no other nodes: nothing is sent, and nothing is encoded.

    Args:
        node: this node's name.

    Raises:
        DefinitionError: the name is no non-empty string.
    """

    distributed = False
    knows_nodes = True

    def __init__(self, node: str = "local") -> None:
        check_node(node)
        self.node = node
        self._joined = False

    async def start(self, receive: Receive) -> None:
        """Nothing is ever received."""
        del receive
        self._joined = True

    async def stop(self) -> None:
        """There is nothing to leave."""
        self._joined = False

    def broadcast(self, data: bytes) -> None:
        """Send to nobody."""
        del data
        if not self._joined:
            raise PubSubClosed(f"node {self.node!r} has not joined; start it first")

    def direct_broadcast(self, node: str, data: bytes) -> None:
        """Refuse: there is no other node."""
        self.broadcast(data)
        raise NodeUnknown(f"there is no node {node!r}; {self.node!r} is alone")


def check_node(node: object) -> None:
    """Look at what a node is to be called.

    Raises:
        DefinitionError: the name is no non-empty string.
    """
    if not isinstance(node, str) or not node:
        raise DefinitionError(f"a node's name is a non-empty string, not {node!r}")
