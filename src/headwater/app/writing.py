"""Commands in, events out: the write side of an application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeVar, Unpack, overload
from uuid import UUID

from headwater.app.base import DISPATCH_TIMEOUT, ApplicationBase
from headwater.cqrs.committed import Committed
from headwater.cqrs.decision import MAX_ATTEMPTS
from headwater.cqrs.dispatch import Terms
from headwater.cqrs.dispatch_options import DispatchOptions, Returning, check_id, check_part, returned
from headwater.cqrs.envelope import Envelope, Outcome
from headwater.cqrs.follower import Follower
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import Decider, kind_of
from headwater.sourcing.messages import Command, Event
from headwater.store.model import Recorded
from headwater.types import Position, Version

AggregateT = TypeVar("AggregateT", bound=Aggregate)
StateT = TypeVar("StateT")


IN_FLIGHT: Final = 500
"""How many commands of a `dispatch_all` are under way at a time, unless the call says otherwise."""


class WritingApplication(ApplicationBase):
    """Has commands decided. See `Application`."""

    @overload
    async def dispatch(self, command: Command, **more: Unpack[DispatchOptions]) -> Committed: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: Literal["events"], **more: Unpack[DispatchOptions]
    ) -> tuple[Event, ...]: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: Literal["version"], **more: Unpack[DispatchOptions]
    ) -> Version: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: Literal["position"], **more: Unpack[DispatchOptions]
    ) -> Position: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: type[AggregateT], **more: Unpack[DispatchOptions]
    ) -> AggregateT: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: Decider[StateT], **more: Unpack[DispatchOptions]
    ) -> StateT: ...

    def dispatch(
        self,
        command: Command,
        *,
        metadata: Mapping[str, object] | None = None,
        id: UUID | None = None,  # noqa: A002 - the field's term
        correlation: UUID | None = None,
        because: Recorded | None = None,
        timeout: float | None = DISPATCH_TIMEOUT,
        attempts: int = MAX_ATTEMPTS,
        wait_for: Sequence[type[Follower]] = (),
        returning: Returning | None = None,
    ) -> Coroutine[object, object, object]:
        """Have a command decided, and wait until its events are durable.

        Commands for one aggregate are decided in the order in which they are dispatched, or have passed the
        middleware. If the caller is cancelled or gives up, the command may or may not have an effect. What the answer
        says, be it a rejection, was true of the log at a moment between the call and the answer, also when other
        applications write to it.

        To send a command again, because its answer was lost, give it an `id`, best a UUIDv7, and the same one each
        time: it has one effect, and each time the answer of the first time. Only an effect is remembered: a command
        that was rejected, or had nothing to do, is decided again. A command with an `id` takes two turns at the
        disk, not one.

        Args:
            command: what is wanted.
            metadata: stored beside each of its events.
            id: identifies the command, made up if not given; its events carry it as their causation.
            correlation: shared by everything that one outside cause led to; that of `because` if not given, or else
                the command's id.
            because: the event that led to the command; its id is stored with the metadata.
            timeout: seconds for all of it: middleware, decision, commit, views; None waits for ever.
            attempts: how often the command is decided, on the state as it is then, before the conflicts with other
                writers are reported; a rejection upon a state that another writer has changed is one too.
            wait_for: views that shall have followed the command's events before this returns, and handlers that shall
                have handled them.
            returning: what to return: everything, the events, the version, the position; or the aggregate as the
                command left it, a copy: give its class, which must be the one that decides the command.

        Raises:
            Rejected: the aggregate said no. Nothing was stored.
            UnknownCommand: no aggregate decides this command.
            CommandFailed: `decide` or `evolve` raised something else. Nothing was stored.
            CommandIdTaken: the id was used for another aggregate's command. Nothing was stored.
            ConflictNotResolved: another writer kept changing the stream. Nothing was stored.
            StoreError: the events could not be stored.
            InvalidCommand: the command makes no sense by itself. Nothing was stored.
            ConsistencyTimeout: the events are durable, but a view has not followed them in time.
            DeadlineExceeded: no answer in time; the command may still take effect.
            ViewFailed: the events are durable, but a view has stopped before them.
            UnknownView, UnknownHandler, CallingSelf: a view or handler isn't the application's, or waits for itself.
                Nothing was stored.
            HandlerStopped: the events are durable, but a handler has stopped before them.
            ValueError: `attempts` is below 1, `timeout` isn't positive, or there is nothing of that name to return.
            TypeError: the aggregate to return isn't the one that decides the command, or `id` is no UUID.
            HeadwaterError: a middleware has raised that.
        """
        if attempts < 1:
            raise ValueError(f"a command must be decided at least once, not {attempts} times")
        if id is not None:
            check_id(id)
        keep_state = False
        if returning is None:
            pass  # most commands
        elif isinstance(returning, type | Decider):
            keep_state = True
            self._commands.check(command, kind_of(returning))
        else:
            check_part(returning)
        terms = Terms(timeout, attempts, tuple(wait_for), keep_state)
        envelope = Envelope(command, metadata, id, correlation, because)
        answer = self._running().dispatch(envelope, terms)
        return answer if returning is None else returned(answer, returning)

    async def dispatch_all(
        self, commands: Iterable[Command | Envelope], *, in_flight: int = IN_FLIGHT
    ) -> AsyncIterator[Outcome]:
        """Have many commands decided, with several under way at a time, so that they share the disk's work.

        Gives one outcome for each command, in the order of the commands; an error is an outcome too and doesn't
        stop the others. Commands are taken from the iterable only as fast as they are answered. Commands for
        one aggregate are decided in their order. When the loop over the outcomes is left early, commands under
        way may or may not have an effect.

        Args:
            commands: commands, or `Envelope`s where metadata or ids are to be given.
            in_flight: how many commands may be under way; at least 1.

        Raises:
            ValueError: `in_flight` is below 1.
        """
        if in_flight < 1:
            raise ValueError(f"at least 1 command must be in flight, not {in_flight}")
        async for outcome in self._running().dispatch_all(commands, in_flight):
            yield outcome
