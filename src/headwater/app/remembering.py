"""The past of an application: its aggregates and views as they were at a moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TypeVar, overload

from headwater.app.base import ApplicationBase
from headwater.cqrs.projection import Projection
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import Decider, kind_of, seen
from headwater.sourcing.history import Step, history
from headwater.sourcing.repository import Repository
from headwater.sourcing.timetravel import Horizon, Moment
from headwater.store.query import EventQuery
from headwater.types import Version

AggregateT = TypeVar("AggregateT", bound=Aggregate)
StateT = TypeVar("StateT")
ProjectionT = TypeVar("ProjectionT", bound=Projection)


class RememberingApplication(ApplicationBase):
    """Tells what was. See `Application`."""

    @overload
    async def state(self, kind: type[AggregateT], id: str, *, at: Moment | None = None) -> AggregateT: ...

    @overload
    async def state(self, kind: Decider[StateT], id: str, *, at: Moment | None = None) -> StateT: ...

    async def state(
        self,
        kind: type[Aggregate] | Decider[object],
        id: str,  # noqa: A002 - the field's term
        *,
        at: Moment | None = None,
    ) -> object:
        """An aggregate as it was at a moment, or as the log has it now: folded from its events, every time.

        If its class takes snapshots, the fold begins with the last one, unless that is from behind the moment.

        Args:
            kind: its class, or its decider.
            id: which one.
            at: a `Version`, a `Position` or a `datetime` with a time zone; None for now.

        Raises:
            TypeError, ValueError: `at` is no moment.
            Undecodable, UnknownType: an event can't be read.
        """
        return seen((await Repository(self.store).load(kind_of(kind), id, at)).aggregate)

    async def history(
        self,
        kind: type[Aggregate] | Decider[object],
        id: str,  # noqa: A002 - the field's term
        *,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> AsyncIterator[Step]:
        """What happened to an aggregate between two moments: each event, and the fields before and after it.

        The events that come are those which lead from `state(at=since)` to `state(at=until)`. The times of events never
        fall along the log, even if the clock is set back: an event is recorded at the clock's time, or at that of the
        event before it if that is later. So each instant cuts the log in two.

        Args:
            kind: its class, or its decider.
            id: which one.
            since: the events behind this moment; None for the first one on.
            until: the events up to this moment, inclusive; None for now.

        Raises:
            TypeError, ValueError: what was given is no moment.
            Undecodable, UnknownType: an event can't be read.
        """
        async with aclosing(history(self.store, kind_of(kind), id, since, until)) as steps:
            async for step in steps:
                yield step

    async def project(self, view: type[ProjectionT], *, at: Moment | None = None) -> ProjectionT:
        """A view as it was at a moment, or as the log gives it now: built afresh, beside the running one.

        Raises:
            TypeError, ValueError: `at` is no moment, or a version, which only a stream has.
            Undecodable, UnknownType: an event that it follows can't be read.
        """
        if isinstance(at, Version):
            raise TypeError(f"a view has no version: give a Position(…) or a datetime, not {at!r}")
        horizon = Horizon(at)
        projection = view()
        query = EventQuery.of(*(event.type_name.name for event in view.events()))
        async with self.store.read_all(query=query) as events:
            async for recorded in events:
                if not horizon.includes(recorded.stored):
                    break
                projection.follow(recorded)
        return projection

    @overload
    async def live_state(self, kind: type[AggregateT], id: str) -> AggregateT | None: ...

    @overload
    async def live_state(self, kind: Decider[StateT], id: str) -> StateT | None: ...

    async def live_state(self, kind: type[Aggregate] | Decider[object], id: str) -> object:  # noqa: A002
        """The state that decides the next command, out of the aggregate's process. None if it has none now.

        It is the process's own object: read it before you await anything, and change nothing.
        """
        return seen(await self._running().inspect(kind_of(kind), id))
