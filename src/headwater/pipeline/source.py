"""Where a pipeline's messages come from: the protocol of sources."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from headwater.errors import InvalidAcknowledgement

Item = TypeVar("Item")

NO_METADATA: Final[Mapping[str, object]] = {}


class Delivery(msgspec.Struct, Generic[Item], frozen=True, gc=False):
    """An item, as its source hands it out.

    Attributes:
        item: what the pipeline is to handle.
        token: what the source knows it by, such as a sequence number or a receipt.
        reference: acknowledgements are grouped by it; one call of `Feed.acknowledge` has one.
        metadata: what else there is to know about it.
        flush: whether its batch is to be closed behind it at once.
    """

    item: Item
    token: object = None
    reference: Hashable = None
    metadata: Mapping[str, object] = NO_METADATA
    flush: bool = False


class Feed(Protocol[Item]):
    """A source that was opened. Subclass it; `fetch` and `acknowledge` are to be defined.

    A feed is used by one source stage, which calls `fetch` only when the one before it has returned, and `acknowledge`
    likewise; but one of the two may be called while the other runs.
    """

    async def fetch(self, demand: int) -> Sequence[Delivery[Item]]:
        """Wait until there are items, and give them, in order. It may be cancelled while it waits.

        Args:
            demand: how many at most, 1 or more.

        Returns:
            At least one; none when the source is over.

        Raises:
            Exception: ends the source stage. Its supervisor starts it anew, and the source is opened again.
        """
        raise NotImplementedError

    async def acknowledge(
        self, reference: Hashable, successful: Sequence[Delivery[Item]], failed: Sequence[Delivery[Item]]
    ) -> None:
        """Deliveries have gone through the pipeline, each of them once, in any order. They are not to be given again.

        If it raises, that is logged, and the pipeline goes on; they may be given again when the source is opened anew.

        Args:
            reference: theirs.
            successful: those that were handled.
            failed: those that were parked as dead letters.
        """
        raise NotImplementedError

    def configure(self, delivery: Delivery[Item], options: Mapping[str, object]) -> Delivery[Item]:
        """Change how a delivery is to be acknowledged. Returns what `acknowledge` will get instead.

        Raises:
            InvalidAcknowledgement: this source has no such options.
        """
        raise InvalidAcknowledgement(f"{type(self).__qualname__} has no options of acknowledgement: {dict(options)!r}")

    async def close(self) -> None:
        """The feed is used no more. Called once, also after a crash. By default nothing happens."""
        return


class Source(Protocol[Item]):
    """Where messages come from.

    At least once: what a feed has delivered and was not acknowledged MUST be given by the next one, in the same order,
    and before anything new. A source that can't do that makes the pipeline lose what is in it when its source stage
    dies; nothing is lost by the end of any other stage.
    """

    async def open(self) -> Feed[Item]:
        """Begin behind what was acknowledged. Called at the start, and again after each crash of the source stage.

        The feed before it may not have been closed yet.
        """
        raise NotImplementedError
