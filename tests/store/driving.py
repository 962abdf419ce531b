"""What the tests of the store share: events, a codec, and ways to open a store and to run a coroutine."""

import asyncio
import functools
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec

import msgspec

from headwater.clock import Clock
from headwater.codec import Codec, TypeName, TypeRegistry
from headwater.errors import StoreError
from headwater.store.adapter import Append, AppendPart
from headwater.store.model import Appended, Context, Expected, NewEvent
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.store.store import EventStore
from headwater.telemetry import Telemetry
from headwater.types import IdSource

P = ParamSpec("P")


class Deposited(msgspec.Struct, frozen=True):
    amount: int
    note: str = ""


class Withdrawn(msgspec.Struct, frozen=True):
    amount: int


class WithdrawnBefore(msgspec.Struct, frozen=True):
    amount: float


def codec() -> Codec:
    types = TypeRegistry([(Deposited, TypeName("Deposited", 1)), (Withdrawn, TypeName("Withdrawn", 2))])
    types.register(WithdrawnBefore, TypeName("Withdrawn", 1))
    return Codec(types)


def scenario(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run an async test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def opened(
    directory: Path,
    *,
    read_only: bool = False,
    clock: Clock | None = None,
    telemetry: Telemetry | None = None,
    queue_limit: int = 100_000,
    max_pages: int | None = None,
) -> EventStore:
    adapter = await SqliteAdapter.open(
        directory / "events.db", read_only=read_only, clock=clock, queue_limit=queue_limit, max_pages=max_pages
    )
    return EventStore(adapter, codec(), clock=clock, telemetry=telemetry)


def sqlite(store: EventStore) -> SqliteAdapter:
    assert isinstance(store.adapter, SqliteAdapter)
    return store.adapter


def submit_raw(store: EventStore, stream: str, ids: Iterable[bytes], *, data: bytes = b'{"amount":1}') -> Append:
    """Append events with identifiers and data of the test's own choice, past the facade."""
    events = [NewEvent("Deposited", 1, data, event_id) for event_id in ids]
    part = AppendPart(stream, Expected.ANY, events)
    append = Append((part,), Context())
    store.adapter.submit(append)
    return append


_ids = IdSource()


def new_id() -> bytes:
    return _ids.next().bytes


async def outcomes(appends: Iterable[Append]) -> list[Appended | StoreError]:
    """What became of each append, in their order."""
    found = await asyncio.gather(*(append.answer for append in appends), return_exceptions=True)
    for outcome in found:
        if not isinstance(outcome, Appended | StoreError):
            raise outcome
    return [outcome for outcome in found if isinstance(outcome, Appended | StoreError)]


async def check_log(store: EventStore) -> int:
    """Positions without gaps, versions dense in each stream, times never falling. Returns the head."""
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


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


class Child:
    """Another process that works on the store; see `child`."""

    def __init__(self, command: str, path: Path | str, *args: str, module: str = "store.child") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, command, str(path), *args],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def kill(self) -> list[str]:
        """Kill it as the operating system would; what it had printed and nobody had read."""
        self._process.kill()
        return self._rest()

    def end(self) -> list[str]:
        """Wait for it to end well."""
        lines = self._rest()
        assert self._process.returncode == 0
        return lines

    def _rest(self) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with self._process.stdout as stdout:
            out = stdout.read()  # `communicate` would lose what `readline` has read ahead
        self._process.wait()
        return out.split("\n")[:-1]  # a line that was cut off doesn't count

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._rest()


def appended_until_killed(path: Path | str, clients: int, rng: random.Random) -> dict[int, tuple[str, int]]:
    """Let a child append to a store, and kill it at a random moment: the stream and version of what it was answered."""
    with Child("append", path, str(clients)) as child:
        assert child.line() == "open"
        lines = [child.line() for _ in range(rng.randrange(1, 150))]
        deadline = time.perf_counter() + rng.random() * 0.005
        while time.perf_counter() < deadline:  # a random moment of a transaction
            pass
        lines += child.kill()
    answered = [line.split() for line in lines]
    return {int(position): (stream, int(version)) for stream, version, position in answered}
