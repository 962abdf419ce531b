"""What the suites for backends of the event store share.

A backend plugs itself in by a class that opens it, and gets a suite by deriving from both:

    class Sqlite:
        capabilities = Capabilities(durable=True, shared=True, many_writers=False)

        async def open(self, directory: Path, clock: Clock | None = None) -> EventStore:
            return await EventStore.open(f"sqlite:///{directory}/events.db", codec(), clock=clock)

    class TestSqliteAppend(Sqlite, AppendSuite): ...

Where backends differ by right, the suites read `capabilities`; nothing is skipped.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import msgspec

from headwater.clock import Clock, SystemClock
from headwater.codec import Codec, TypeName, TypeRegistry
from headwater.errors import StoreError
from headwater.store.adapter import Append, AppendPart, Capabilities
from headwater.store.model import Appended, Context, Expected, ExpectedVersion, NewEvent
from headwater.store.query import AppendCondition
from headwater.store.store import EventStore
from headwater.types import IdSource

P = ParamSpec("P")
S = TypeVar("S", bound="StoreSuite")


class Deposited(msgspec.Struct, frozen=True):
    """An event without tags of its own."""

    amount: int
    note: str = ""


class Withdrawn(msgspec.Struct, frozen=True):
    """Another one, in its second schema version."""

    amount: int


class WithdrawnBefore(msgspec.Struct, frozen=True):
    """What it was in its first one."""

    amount: float


class Enrolled(msgspec.Struct, frozen=True):
    """An event that can be found by its fields."""

    course: str
    student: str

    def tags(self) -> Iterable[str]:
        """What it can be found by."""
        return (f"course:{self.course}", f"student:{self.student}")


def codec() -> Codec:
    """Knows the events of the suites."""
    types = TypeRegistry([(Deposited, TypeName("Deposited", 1)), (Withdrawn, TypeName("Withdrawn", 2))])
    types.register(WithdrawnBefore, TypeName("Withdrawn", 1))
    types.register(Enrolled, TypeName("Enrolled", 1), lambda event: event.tags() if isinstance(event, Enrolled) else ())
    return Codec(types)


class StoreSuite:
    """Base of the suites. `open` and `capabilities` come from the class that plugs a backend in."""

    capabilities: Capabilities

    async def open(self, directory: Path, clock: Clock | None = None) -> EventStore:
        """Open the store that belongs to this directory; if the backend is durable, the same one every time."""
        raise NotImplementedError


def on_store(
    test: Callable[Concatenate[S, EventStore, P], Coroutine[object, object, None]],
) -> Callable[Concatenate[S, Path, P], None]:
    """Run an async test on a store that is opened for it, on an event loop of its own."""

    def run(self: S, tmp_path: Path, *args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            async with await self.open(tmp_path) as store:
                await test(self, store, *args, **kwargs)

        asyncio.run(main())

    functools.update_wrapper(run, test)
    run.__signature__ = _with_directory(inspect.signature(test))  # type: ignore[attr-defined]  # pytest reads it
    return cast("Callable[Concatenate[S, Path, P], None]", run)


def _with_directory(signature: inspect.Signature) -> inspect.Signature:
    """The same parameters, but pytest's directory in place of the store."""
    parameters = [
        parameter.replace(name="tmp_path") if name == "store" else parameter
        for name, parameter in signature.parameters.items()
    ]
    return signature.replace(parameters=parameters)


class SteadyClock(SystemClock):
    """Its wall clock stands still until it is set."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: int = 1_000) -> None:
        self.seconds = seconds

    def wall(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return self.seconds * 1_000_000_000


_ids = IdSource()


def new_id() -> bytes:
    """A fresh event identifier."""
    return _ids.next().bytes


def raw(data: bytes = b'{"amount":1}', *, tags: Sequence[str] = (), id: bytes | None = None) -> NewEvent:  # noqa: A002
    """An encoded event of the test's own choice."""
    return NewEvent("Deposited", 1, data, id or new_id(), tuple(tags))


def submit_raw(
    store: EventStore,
    parts: Sequence[tuple[str, Sequence[NewEvent]]],
    *,
    expected: ExpectedVersion = Expected.ANY,
    condition: AppendCondition | None = None,
    follows: Append | None = None,
    idempotent: bool = False,
) -> Append:
    """Append encoded events past the facade."""
    append = Append(
        [AppendPart(stream, expected, events) for stream, events in parts],
        Context(),
        condition=condition,
        follows=follows,
        idempotent=idempotent,
    )
    store.adapter.submit(append)
    return append


async def outcomes(appends: Iterable[Append]) -> list[Appended | StoreError]:
    """What became of each append, in their order."""
    found = await asyncio.gather(*(append.answer for append in appends), return_exceptions=True)
    for outcome in found:
        if not isinstance(outcome, Appended | StoreError):
            raise outcome
    return [outcome for outcome in found if isinstance(outcome, Appended | StoreError)]


async def check_log(store: EventStore) -> int:
    """Positions without gaps, versions rising in each stream, times never falling. Returns the head."""
    versions: dict[str, int] = {}
    position, time = 0, 0
    async for event in store.raw_all():
        assert event.position == position + 1
        assert event.version == versions.get(event.stream, 0) + 1
        assert event.microseconds >= time
        position, time = event.position, event.microseconds
        versions[event.stream] = event.version
    assert await store.head() == position
    return position
