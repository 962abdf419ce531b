"""What comes into a process: its mailbox, and how messages get there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headwater.errors import MailboxFull, ProcessDown
from headwater.runtime.handlers import HandlerTable
from headwater.runtime.mailbox import Mailbox
from headwater.runtime.message import Message
from headwater.runtime.node import Node
from headwater.runtime.server import Server
from headwater.runtime.states import AWAITING, ENDED, QUEUED, WATCHFUL
from headwater.runtime.ties import Ties

ROOM: Final = 256
"""How many messages may be queued before those that wait are counted anew. Python has numbers up to it ready made."""

UNOPENED: Final[Mailbox[Message]] = Mailbox(0)
"""The mailbox of every process for which no message has had to wait yet. Always empty."""


class Inbox(Ties):
    """The base of `Process` that takes messages in.

    Args:
        node: the process's surroundings.
        server: the user's object.
        handlers: the server's public methods.
        capacity: how many messages may wait.

    Attributes:
        state: what the process is doing; see `states`.
        asked: whether something has to be done when the present handler returns, besides resting.
        mailbox: the queue; `UNOPENED` until the first message has to wait.
        queue: puts a message into the mailbox, once there is room.
        room: how many more messages fit for certain, so that nobody has to count those that wait; see `make_room`.
            None while the process rests, unless it is suspended: so whoever finds room needn't wake it either.
    """

    __slots__ = ("_suspended", "asked", "capacity", "handlers", "mailbox", "queue", "room", "server", "state")

    def __init__(self, node: Node, server: Server, handlers: HandlerTable, capacity: int) -> None:
        Ties.__init__(self, node)  # by its name: `super()` costs more, and each process pays
        self.server = server
        self.handlers = handlers
        self.capacity = capacity
        self.mailbox = UNOPENED
        self.queue: Callable[[Message], None] = UNOPENED.append
        self.room = 0
        self.state: int = AWAITING  # until init has finished, messages wait
        self.asked = False
        self._suspended = False

    @property
    def label(self) -> str:
        """What the process is called in messages and logs."""
        raise NotImplementedError

    def take_turn(self) -> None:
        """Handle some of the messages that wait."""
        raise NotImplementedError

    def may_drop(self, message: Message) -> bool:
        """Whether a message that waits may make room for another."""
        raise NotImplementedError

    def down(self) -> ProcessDown:
        """The error for those who wait for the process when it has ended."""
        raise NotImplementedError

    def make_room(self) -> bool:
        """Count anew how many messages fit, and open the mailbox if it is the first. False if none does.

        There is no room in the mailbox of a process that has ended. Only for who queues a message now and wakes the
        process if it rests: those who find room later don't.
        """
        if self.state == ENDED:
            return False
        if self.mailbox is UNOPENED:
            self.use(Mailbox(self.capacity, self.server.overflow))
        self.room = min(ROOM, self.mailbox.room)
        return self.room > 0

    def use(self, mailbox: Mailbox[Message]) -> None:
        """Take another mailbox, which holds what waits already."""
        self.mailbox = mailbox
        self.queue = mailbox.append
        self.room = min(ROOM, mailbox.room)

    def post(self, message: Message) -> None:
        """Queue a cast or a sent message. Dropped if the process has ended; counted if the mailbox is full."""
        if self.room > 0 or self.make_room():
            self.room -= 1
            self.queue(message)
        elif self.state == ENDED:
            return
        else:
            self._overflow(message)
        if self.state <= WATCHFUL:
            self.wake()

    def request(self, message: Message) -> None:
        """Queue a call.

        Raises:
            ProcessDown: the process has ended.
            MailboxFull: too many messages wait already, and the policy is `reject`.
        """
        if self.state == ENDED:
            raise self.down()
        if self.room <= 0 and not self.make_room() and self.mailbox.overflow == "reject":
            self.mailbox.dropped += 1
            raise self._full()
        self.post(message)

    def signal(self, message: Message) -> None:
        """Queue a message that must arrive. Dropped if the process has ended."""
        if self.state != ENDED:
            if self.room <= 0:
                self.make_room()  # or at least a mailbox: a signal is never refused
            self.room -= 1
            self.queue(message)
            if self.state <= WATCHFUL:
                self.wake()

    def queue_first(self, message: Message) -> None:
        """Queue a message ahead of those that wait: it was sent before them."""
        if self.room <= 0:
            self.make_room()
        self.room -= 1
        self.mailbox.appendleft(message)

    def inform(self, content: object) -> None:
        """Queue a plain message that must arrive."""
        self.signal((self.handlers.signal, content, None, None))

    def forget(self, unwanted: Callable[[object], bool]) -> None:
        """Take plain messages out of the mailbox unhandled."""
        plain = (self.handlers.info, self.handlers.signal)
        for message in [waiting for waiting in self.mailbox if waiting[0] in plain and unwanted(waiting[1])]:
            self.mailbox.remove(message)
            self.asked = True  # the turn that is under way has counted it

    def wake(self) -> None:
        """Get a turn, unless the process is suspended. Only for one that is idle or watchful."""
        if not self._suspended:
            self.state = QUEUED
            self.node.run_queue.add(self)

    def _overflow(self, message: Message) -> None:
        dropped = self.mailbox.offer(message, self.may_drop)
        if dropped is not None and dropped is not message and dropped[3] is not None and not dropped[3].done():
            dropped[3].set_exception(self._full())

    def _full(self) -> MailboxFull:
        return MailboxFull(f"the mailbox of {self.label} is full: {self.mailbox.capacity} messages wait")
