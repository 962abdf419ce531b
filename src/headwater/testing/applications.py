"""Applications in tests: in memory, in a time of their own, and waited for without sleeping.

    async with running(bank) as application:
        await application.dispatch(Deposit("a-1", 50))
        deposited = await wait_for_event(application, Deposited)
        await wait_for_answer(application, BalanceOf("a-1"), 50)
        await refute_event(application, Withdrawn)

Each wait has a deadline, in seconds of the event loop, whatever clock the application has: a test that waits for what
doesn't come fails, and says what has come instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeVar

from headwater.app import Application
from headwater.clock import Clock, Rng
from headwater.cqrs.projection import Projection
from headwater.cqrs.query import Query
from headwater.errors import UnknownQuery
from headwater.sourcing.messages import Event
from headwater.store.model import Recorded, StoredEvent
from headwater.store.query import EventQuery
from headwater.telemetry import Telemetry
from headwater.testing.scenario.difference import difference, require
from headwater.types import Position

EventT = TypeVar("EventT", bound=Event)
Answer = TypeVar("Answer")

PATIENCE: Final = 5.0
"""Seconds that a test waits, unless it says otherwise."""

_TOLD: Final = 10


@asynccontextmanager
async def running(
    definition: Application,
    *,
    store: str = "memory://",
    clock: Clock | None = None,
    rng: Rng | None = None,
    telemetry: Telemetry | None = None,
) -> AsyncIterator[Application]:
    """An application like another one, running on a store of its own; the other one isn't touched.

    Args:
        definition: the application as it is in production.
        store: where its events lie; in memory, and gone at the end, unless said otherwise.
        clock: a `VirtualClock`, say; that of the definition if not given.
        rng: likewise.
        telemetry: likewise.
    """
    async with definition.on(store, clock=clock, rng=rng, telemetry=telemetry) as application:
        yield application


async def wait_for_event(
    application: Application,
    kind: type[EventT],
    where: Callable[[EventT], bool] | None = None,
    *,
    after: int = 0,
    timeout: float = PATIENCE,
) -> Recorded:
    """The first event of a class in the log, waited for if it isn't there yet.

    Args:
        application: where; it is running.
        kind: the event's class.
        where: what must hold of it; nothing if not given.
        after: only behind this position: `Committed.position`, say.
        timeout: seconds.

    Raises:
        AssertionError: none has come in time; tells the last events that have.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _first(application, kind, where, after)
    except TimeoutError:
        raise AssertionError(
            f"no {kind.__qualname__}{_that_fits(where)} has come within {timeout} s; {await _log(application, after)}"
        ) from None


async def refute_event(
    application: Application,
    kind: type[EventT],
    where: Callable[[EventT], bool] | None = None,
    *,
    after: int = 0,
    until: int | None = None,
) -> None:
    """There is no event of a class in the log. Doesn't wait: what comes later isn't seen.

    So first wait for what comes last: an answer of `dispatch`, an event, or `settled`.

    Args:
        application: where; it is running.
        kind: the event's class.
        where: what must not hold of any; if not given, there must be none at all.
        after: only behind this position.
        until: only up to this position; up to the log's head if not given.

    Raises:
        AssertionError: there is one; tells it.
    """
    async with application.store.read_all(after, query=EventQuery.of(kind.type_name.name)) as events:
        async for recorded in events:
            if until is not None and recorded.position > until:
                break
            event = recorded.event
            if isinstance(event, kind) and (where is None or where(event)):
                raise AssertionError(f"there is {event!r} at position {recorded.position}, in {recorded.stream!r}")


def assert_correlated(first: Recorded, *others: Recorded) -> None:
    """The events have the same correlation: one outside cause has led to all of them.

    Raises:
        AssertionError: one has another, or none; tells them all.
    """
    events = (first, *others)
    if first.correlation is None or len({recorded.correlation for recorded in events}) > 1:
        lines = [f"{recorded.position} {recorded.type}: {recorded.correlation}" for recorded in events]
        require("these events were not caused by one and the same:", lines)


async def settled(application: Application, *, timeout: float = PATIENCE) -> Position:
    """Wait until every view has followed the log to its head. Returns the head.

    Raises:
        AssertionError: one is behind after that time; tells which.
        ViewFailed: one has stopped.
    """
    head, view = await application.store.head(), "?"
    try:
        async with asyncio.timeout(timeout):
            for projection in application.projections:
                view = projection.view
                await application.wait_for(projection, head, timeout=None)
    except TimeoutError:
        raise AssertionError(f"view {view!r} has not followed the log to {head} within {timeout} s") from None
    return head


async def wait_for_answer(
    application: Application, query: Query[Answer], answer: Answer, *, timeout: float = PATIENCE
) -> None:
    """Wait until a query is answered so. It is asked again after each change of the log, when the view has followed it.

    Args:
        application: where; it is running.
        query: what is asked.
        answer: what the answer shall be.
        timeout: seconds.

    Raises:
        AssertionError: the answer is another one after that time; says what differs, field by field.
        UnknownQuery: no projection answers it.
        ViewFailed: the view has stopped.
        Exception: whatever the projection raises.
    """
    lines = ["the view has not followed the log in time"]
    bell = asyncio.Event()
    unwatch = application.store.watch(bell.set)
    try:
        async with asyncio.timeout(timeout):
            while lines:
                bell.clear()
                await application.wait_for(_view_of(application, query), await application.store.head(), timeout=None)
                lines = difference(answer, await application.query(query, timeout=None))
                if lines:
                    await bell.wait()
    except TimeoutError:
        require(f"{query!r} is answered otherwise after {timeout} s:", lines)
    finally:
        unwatch()


async def _first(
    application: Application, kind: type[EventT], where: Callable[[EventT], bool] | None, after: int
) -> Recorded:
    query = EventQuery.of(kind.type_name.name)
    async with aclosing(application.store.follow_events(after, query=query)) as events:
        async for recorded in events:
            event = recorded.event
            if isinstance(event, kind) and (where is None or where(event)):
                return recorded
    raise AssertionError(f"the application was closed before a {kind.__qualname__}{_that_fits(where)} came")


def _that_fits(where: object) -> str:
    return "" if where is None else " that fits"


async def _log(application: Application, after: int) -> str:
    """The last events, for people."""
    async with application.store.raw_all(after, _TOLD, backwards=True) as events:
        last = [_line(stored) async for stored in events]
    if not last:
        return "no other event either"
    return "\n  ".join(["the last events are:", *reversed(last)])


def _line(stored: StoredEvent) -> str:
    return f"{stored.position} {stored.stream} {stored.type} {stored.data}"


def _view_of(application: Application, query: Query[object]) -> type[Projection]:
    for projection in application.projections:
        if type(query) in projection.queries():
            return projection
    raise UnknownQuery(f"no projection of {application.name!r} answers {type(query).__qualname__}")
