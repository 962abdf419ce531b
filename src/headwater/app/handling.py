"""Side effects: the event handlers of an application, and what could not be handled."""

from __future__ import annotations

from typing import overload

from headwater.app.base import ApplicationBase
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.cqrs.event_handler import EventHandler
from headwater.cqrs.handler_process import HandlerStatus
from headwater.cqrs.manager_letter_box import ManagerLetterBox
from headwater.cqrs.process_manager import ProcessManager
from headwater.store.subscription_start import Start, StartFrom


class HandlingApplication(ApplicationBase):
    """Looks after event handlers and dead letters. See `Application`."""

    async def handler_statuses(self) -> list[HandlerStatus]:
        """How each event handler is doing, in the order in which they were given."""
        return await self._running_handlers().status()

    @overload
    def dead_letters(self, owner: type[EventHandler]) -> DeadLetterBox: ...

    @overload
    def dead_letters(self, owner: type[ProcessManager]) -> ManagerLetterBox: ...

    def dead_letters(self, owner: type[EventHandler] | type[ProcessManager]) -> DeadLetterBox | ManagerLetterBox:
        """What a handler or a process manager could not handle: to be listed, replayed, dropped.

        Raises:
            UnknownHandler: the application has no such handler.
            UnknownProcessManager: the application has no such process manager.
        """
        handlers = self._running_handlers()
        return self._reactions.box(owner) if issubclass(owner, ProcessManager) else handlers.box(owner)

    async def pause_handler(self, handler: type[EventHandler]) -> bool:
        """Let a handler finish what is under way, and handle nothing more until it is resumed. Returns whether it ran.

        Raises:
            UnknownHandler: the application has no such handler.
        """
        return await self._running_handlers().pause(handler)

    async def resume_handler(self, handler: type[EventHandler]) -> None:
        """Let a handler go on that has stopped or was paused. Harmless when it runs.

        Raises:
            UnknownHandler: the application has no such handler.
        """
        await self._running_handlers().resume(handler)

    async def reset_handler(self, handler: type[EventHandler], to: StartFrom = Start.ORIGIN) -> None:
        """Let a handler handle the events behind a place again: finish, call its `before_reset`, go back, go on.

        Its dead letters stay as they are.

        Args:
            handler: one of the application's.
            to: the place, as for `start_from`.

        Raises:
            UnknownHandler: the application has no such handler.
            SubscriptionNotFound: it has never run.
            SubscriptionTaken: another process runs it.
            InvalidSubscription: it can't begin there.
            Exception: what its `before_reset` raised. It goes on where it was.
        """
        await self._running_handlers().reset(handler, to)
