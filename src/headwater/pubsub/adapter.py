"""What joins the PubSubs of several nodes must do, and nothing else.

The facade (`broker.PubSub`) owns checks, encoding, dispatch and spans; an adapter carries bytes. It may raise, besides
`InternalError`, what its methods list: `NodeTaken`, `NodeUnknown`, `PubSubClosed`, `PubSubOverloaded` and
`PubSubUnreachable`. `headwater.testing.conformance.pubsub` checks all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

Receive: TypeAlias = Callable[[bytes], None]
"""What a node does with what arrives. It never raises."""


class PubSubAdapter(Protocol):
    """The way to the other nodes. Used from one event loop.

    It promises:

    - what a node broadcasts reaches every other node that has joined, at most once, and never the node itself;
    - what one node sends reaches another in the order in which it was sent, whether broadcast or direct;
    - `receive` is called in a turn of the event loop of its own, never within a call to an adapter;
    - sending never waits, and what waits to be sent is bounded;
    - when `start` has returned, the node has joined: it gets what others send from then on. When `stop` has returned,
      it has left: `receive` is not called any more. It may be started again.

    It doesn't promise that anything arrives: a node may leave, and a transport may lose.

    Attributes:
        node: this node's name, unique among those that join.
        distributed: whether there may be other nodes. If not, nothing is ever sent.
        knows_nodes: whether `direct_broadcast` refuses a node that has not joined; if not, the bytes are lost silently.
    """

    @property
    def node(self) -> str: ...  # noqa: D102 - see above

    @property
    def distributed(self) -> bool: ...  # noqa: D102

    @property
    def knows_nodes(self) -> bool: ...  # noqa: D102

    async def start(self, receive: Receive) -> None:
        """Join the others.

        Raises:
            NodeTaken: a node of this name has joined already.
            PubSubUnreachable: the transport can't be reached.
        """

    async def stop(self) -> None:
        """Leave them. Harmless when it has not joined."""

    def broadcast(self, data: bytes) -> None:
        """Send to all other nodes.

        Raises:
            PubSubClosed: this node has not joined.
            PubSubOverloaded: too much waits to be sent already. Nothing was sent.
            PubSubUnreachable: the transport failed. Some nodes may have got it.
        """

    def direct_broadcast(self, node: str, data: bytes) -> None:
        """Send to one other node.

        Raises:
            NodeUnknown: it has not joined, and the adapter knows it.
            PubSubClosed, PubSubOverloaded, PubSubUnreachable: as `broadcast`.
        """
