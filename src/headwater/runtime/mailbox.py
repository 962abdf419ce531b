"""A process's queue of messages. Pure: no clock, no loop.

First in, first out, with a bound and a policy for what comes beyond it. Signals (an exit, a `Down`, a request to
stop) are never refused; there are at most as many of them as links, monitors and supervisors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, Literal, TypeVar

from headwater.errors import DefinitionError

Message = TypeVar("Message")

Overflow = Literal["reject", "drop_newest", "drop_oldest"]
"""What a full mailbox does. `reject`: a call raises `MailboxFull`, a cast or a sent message is counted and dropped.
`drop_newest`: likewise, but a call isn't told and waits for its deadline. `drop_oldest`: the oldest message makes room;
if it was a call, its caller gets `MailboxFull`."""

OVERFLOWS: Final = ("reject", "drop_newest", "drop_oldest")
DEFAULT_CAPACITY: Final = 100_000


class Mailbox(deque[Message], Generic[Message]):
    """A bounded queue. It is a deque, so that taking the next message costs nothing extra.

    Args:
        capacity: how many messages may wait; see `check_mailbox`.
        overflow: what happens beyond.

    Attributes:
        dropped: how many messages were refused or dropped so far.
    """

    __slots__ = ("capacity", "dropped", "overflow")

    def __init__(self, capacity: int = DEFAULT_CAPACITY, overflow: Overflow = "reject") -> None:
        super().__init__()
        self.capacity = capacity
        self.overflow: Overflow = overflow
        self.dropped = 0

    @property
    def room(self) -> int:
        """How many more messages fit."""
        return max(0, self.capacity - len(self))

    def offer(self, message: Message, may_drop: Callable[[Message], bool]) -> Message | None:
        """Queue a message. Returns the one that was dropped for it, which may be the message itself, or None.

        Args:
            message: the message.
            may_drop: whether a message that waits may be dropped; signals may not.
        """
        if len(self) < self.capacity:
            self.append(message)
            return None
        self.dropped += 1
        if self.overflow != "drop_oldest":
            return message
        for place, oldest in enumerate(self):
            if may_drop(oldest):
                del self[place]
                self.append(message)
                return oldest
        return message


def check_mailbox(capacity: int, overflow: str) -> None:
    """Look at what a mailbox is to be made with.

    Raises:
        DefinitionError: the capacity is below 1, or there is no such policy.
    """
    if capacity < 1:
        raise DefinitionError(f"a mailbox holds at least 1 message, not {capacity}")
    if overflow not in OVERFLOWS:
        raise DefinitionError(f"overflow is one of {', '.join(OVERFLOWS)}, not {overflow!r}")
