"""What an application does by itself: commands for later, and process managers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from headwater.app.base import ApplicationBase
from headwater.cqrs.dispatch_options import check_id
from headwater.cqrs.manager_status import InstanceStatus, ManagerStatus
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.scheduling import Scheduled
from headwater.sourcing.messages import Command
from headwater.store.model import Recorded


class ReactingApplication(ApplicationBase):
    """Schedules commands, and looks after process managers. See `Application`."""

    async def schedule(
        self,
        command: Command,
        *,
        at: datetime | None = None,
        after: float | None = None,
        id: UUID | None = None,  # noqa: A002 - the field's term
        metadata: Mapping[str, object] | None = None,
        correlation: UUID | None = None,
        because: Recorded | None = None,
    ) -> UUID:
        """Have a command dispatched later. Returns its id, to cancel it by; it is durable then.

        It is dispatched under that id, so that it has one effect, whatever ends and starts meanwhile; as soon as the
        application runs, if the moment has passed. A rejection is noted in the log and nobody is told. A failure is
        tried again some times.

        Args:
            command: what is wanted.
            at: when, with a time zone.
            after: or in how many seconds, at most a thousand years.
            id: identifies it, made up if not given. The same command scheduled again under the same id changes nothing:
                the first time counts.
            metadata: stored beside each of its events.
            correlation: shared by everything that one outside cause led to; that of `because` if not given, or else the
                id.
            because: the event that led to it.

        Raises:
            UnknownCommand, InvalidCommand: it could never be dispatched. Nothing was scheduled.
            TimerIdTaken: the id was used for something else. Nothing was scheduled.
            ValueError: not one of `at` and `after` is given, or it isn't possible.
            TypeError: `id` is no UUID.
            CodecError: the command or the metadata doesn't fit into JSON.
            StoreError: it could not be stored.
            ApplicationError: the application is not running.
        """
        check_id(id)
        if self._commands.model(command) is None:
            self._commands.route(command)
        return await self._later().schedule(
            command, at=at, after=after, id=id, metadata=metadata, correlation=correlation, because=because
        )

    async def cancel(self, id: UUID) -> bool:  # noqa: A002 - the field's term
        """Cancel what was scheduled. True: it never has an effect. False: it is too late.

        Raises:
            UnknownTimer: nothing was ever scheduled under this id.
            StoreError: it could not be stored.
        """
        return await self._later().cancel(id)

    async def scheduled(self, *, limit: int = 1_000) -> list[Scheduled]:
        """What is scheduled, the next first, at most so many; process managers' timers too.

        Raises:
            ValueError: the limit is negative.
        """
        return await self._later().pending(limit)

    async def process_managers(self) -> list[ManagerStatus]:
        """How each process manager is doing, in the order in which they were given."""
        self._running()
        return await self._reactions.statuses()

    async def instance(self, kind: type[ProcessManager], id: str) -> InstanceStatus | None:  # noqa: A002
        """How an instance of a process manager is doing; None if there never was one.

        Raises:
            UnknownProcessManager: it is none of the application's.
        """
        return await self._reactions.instance(self.store, kind, id)

    async def resume(self, kind: type[ProcessManager], id: str) -> bool:  # noqa: A002 - the field's term
        """Let an instance of a process manager go on that a failure has stopped. False if it wasn't stopped.

        It goes on with the event or the command that has stopped it; the events that came since are handled then.

        Raises:
            UnknownProcessManager: it is none of the application's.
            ApplicationError: as many instances as may be in memory are busy.
        """
        self._running()
        return await self._reactions.resume(kind, id)
