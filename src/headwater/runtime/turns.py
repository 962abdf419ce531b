"""The turns of a process: when it handles its messages, and how many."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from headwater.runtime.exits import Reason
from headwater.runtime.handlers import Handler
from headwater.runtime.handling import Handling
from headwater.runtime.message import NOTHING, Message
from headwater.runtime.node import INLINE_TURNS, TURN_MESSAGES
from headwater.runtime.orders import STOP, SYSTEM
from headwater.runtime.states import ENDED, IDLE, QUEUED, RUNNING, WATCHFUL

COUNTS: Final = tuple(range(1, count + 1) for count in range(TURN_MESSAGES + 1))
"""For each number of messages, what counts them: made once, for making a range takes as long as handling a message."""


class Turns(Handling):
    """The base of `Process` that takes turns, and rests between them."""

    __slots__ = ()  # an `__init__` of its own would cost each process

    # --- a turn ----------------------------------------------------------------------------------------------

    def take_turn(self) -> None:
        """Handle some of the messages that wait, or until an async handler suspends."""
        if self.state != QUEUED:
            return
        self.state = RUNNING
        self.node.inline_turns = INLINE_TURNS
        if self._idle_timer is not None:
            self._cancel_idle_timer()
        if self._observers is None:
            self._handle_messages()
        else:
            self._handle_observed()
        if self.state == RUNNING:
            if self.asked:
                self._rest()
            elif self.mailbox:
                self.wake()
            else:
                self.state = IDLE
                self.room = 0
        if self._suspended:
            self._obey_waiting()

    def _handle_messages(self) -> None:
        """The loop that every message goes through that isn't handled in its caller's turn."""
        server, mailbox, take = self.server, self.mailbox, self.mailbox.popleft
        waiting = len(mailbox)
        if waiting > TURN_MESSAGES:  # `min` would take as long as a message does
            waiting = TURN_MESSAGES
        taken = 0
        for taken in COUNTS[waiting]:
            message = handler, argument, keywords, reply = take()
            if keywords is None and handler.is_sync:  # nobody waits for an answer: most messages
                function = handler.function
                try:
                    function(server, argument)
                except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its process, nothing else
                    self._running = message
                    self._failed(error)
            elif reply is None or not reply.done():
                self._perform(message)
            else:
                self.expired += 1  # the caller has given up
                self.handled -= 1  # it is counted below
            if self.asked:
                self._between_messages()
                if self.state != RUNNING or self.watchful or waiting - taken > len(mailbox):
                    break
        self.handled += taken

    def _handle_observed(self) -> None:
        """The same for a process that somebody looks at: one message a turn, told to the observers."""
        message = self.mailbox.popleft()
        if message[3] is not None and message[3].done():
            self.expired += 1
            return
        self.handled += 1
        if message[0] is not SYSTEM:
            self.observe("in", message)
        self._perform(message)
        self._between_messages()
        self.asked = True  # to be watchful again

    @property
    def watchful(self) -> bool:
        """Whether something has to be done before the next message, besides handling it."""
        return self._suspended or self._idle_timer is not None or self._observers is not None

    def settle(self) -> None:
        """End a turn that was run in a caller's turn: do what was asked for meanwhile, then rest."""
        if self.state == RUNNING:
            self._between_messages()
            if self.state == RUNNING:
                self._rest()

    def _rest(self) -> None:
        self.asked = False
        self.room = 0
        self.state = WATCHFUL if self.watchful else IDLE
        if self.mailbox:
            self.wake()

    def _between_messages(self) -> None:
        """Do what the last message asked for: stop, or continue before any message that waits."""
        while self.state == RUNNING:
            if self._doom is not None:
                self.end(self._doom)
                return
            if self._stop_reason is not None:
                self._terminate(self._stop_reason)
                return
            if self._then is None:
                return
            message = self._then.pop(0)
            self._then = self._then or None
            if self._observers is not None:
                self.observe("continue", message)
            self._perform(message)

    # --- in the caller's turn --------------------------------------------------------------------------------

    def begin_task(self, message: Message) -> None:
        """Make the task of an async handler in its caller's turn, of which it is the next of the event loop's to run.

        Only for a process that is idle, so that nothing is ahead of the message.
        """
        self.node.inline_turns -= 1
        self.state = RUNNING
        self.handled += 1
        self._perform(message)
        self.settle()

    def fail_inline(
        self, handler: Handler, arguments: tuple[object, ...], keywords: Mapping[str, object], error: Exception
    ) -> asyncio.Future[object]:
        """End the process because a handler raised that ran in its caller's turn.

        Returns what the caller has to wait for: it fails when the process has ended, which an async `terminate` delays.
        """
        reply: asyncio.Future[object] = self.node.loop.create_future()
        self._running = (handler, arguments, keywords, None)  # without: the caller is on the stack
        self.crash(error)
        if self.state == ENDED:
            reply.set_exception(self.down())
        else:
            self._running = (handler, arguments, keywords, reply)
        return reply

    # --- orders of the runtime -------------------------------------------------------------------------------

    def administer(self, message: Message) -> None:
        """Handle a request of the runtime's own: at once if the process is suspended or idle, else in its order.

        It ends no wait for a message, and is not counted as one.
        """
        if self.state <= WATCHFUL and (self._suspended or not self.mailbox):
            self._obey(message)
        else:
            self.signal(message)

    def ask_to_stop(self, reason: Reason) -> None:
        """Make the process end in good order after what was sent to it before; at once if it is suspended."""
        message: Message = (STOP, (self, reason), NOTHING, None)
        if self._suspended:
            self.administer(message)
        else:
            self.signal(message)

    def may_drop(self, message: Message) -> bool:
        """Whether a message that waits may make room for another: signals and orders may not."""
        return message[0] not in (STOP, SYSTEM, self.handlers.signal)

    def _obey(self, message: Message) -> None:
        self.state = RUNNING
        self.handled += 1
        self._perform(message)
        self.settle()

    def _obey_waiting(self) -> None:
        """Handle the runtime's own requests that waited when the process was suspended; nothing else."""
        while self._suspended and self.state == WATCHFUL:
            order = next((message for message in self.mailbox if message[0] in (SYSTEM, STOP)), None)
            if order is None:
                return
            self.mailbox.remove(order)
            self._obey(order)

    # --- suspended -------------------------------------------------------------------------------------------

    @property
    def suspended(self) -> bool:
        """Whether messages wait until it is resumed."""
        return self._suspended

    def suspend(self) -> None:
        """Handle no more messages after the present one, until `resume`."""
        self._suspended = self.asked = True
        if self.state <= QUEUED:
            self.state = WATCHFUL

    def resume(self) -> None:
        """Handle messages again."""
        self._suspended = False
        if self.state == WATCHFUL:
            self._rest()
