"""A mailbox that tells of what comes in. It takes the place of a plain one when somebody wants to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from headwater.runtime.mailbox import Mailbox
from headwater.runtime.message import Message
from headwater.runtime.process import Process

Listener: TypeAlias = Callable[[Message], None]


class AttentiveMailbox(Mailbox[Message]):
    """A mailbox with a listener.

    Args:
        process: whose mailbox it becomes. What waits in the present one moves in.

    Attributes:
        listener: told of each message when it has been queued, in the sender's turn; it must not raise.
    """

    __slots__ = ("listener",)

    def __init__(self, process: Process) -> None:
        super().__init__(process.capacity, process.server.overflow)
        plain = process.mailbox
        self.dropped = plain.dropped
        self.listener: Listener | None = plain.listener if isinstance(plain, AttentiveMailbox) else None
        self.extend(plain)

    def append(self, message: Message, /) -> None:
        """Queue a message."""
        super().append(message)
        if self.listener is not None:
            self.listener(message)


def listen(process: Process, listener: Listener | None) -> None:
    """Tell `listener` of each message that is queued for the process from now on; None tells nobody any more.

    Only while no message is being taken up, which is so whenever an async handler is suspended.
    """
    if process.alive and not isinstance(process.mailbox, AttentiveMailbox):
        process.use(AttentiveMailbox(process))
    if isinstance(process.mailbox, AttentiveMailbox):
        process.mailbox.listener = listener
