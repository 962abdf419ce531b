"""Process managers and events of which upcasters make several: each part is handled, and each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from headwater import (
    Aggregate,
    Application,
    Backoff,
    Codec,
    Command,
    Event,
    EventStore,
    Failure,
    GenServer,
    InstanceStatus,
    ProcessManager,
    Raw,
    Resolution,
    decide,
    starts,
    upcast,
)
from headwater.cqrs.manager_step import StepTaken
from headwater.runtime.process import current


class Listed(Event, name="chores.listed"):  # what the program of last year wrote
    home: str
    chores: tuple[str, ...]


class Asked(Event, name="chores.asked"):
    home: str
    chore: str


class Done(Event, name="chores.done"):
    home: str
    chore: str


class Do(Command, name="chores.do"):
    home: str
    chore: str


@upcast("chores.listed", schema=1, to=[("chores.asked", 1)])
def listed(data: dict[str, object]) -> Iterator[Raw]:
    chores = data["chores"]
    assert isinstance(chores, list)
    for chore in chores:
        yield Raw("chores.asked", {"home": data["home"], "chore": chore})


class Home(Aggregate, identity="home"):
    @decide
    def do(self, command: Do) -> Event:
        return Done(command.home, command.chore)


class Keeper(ProcessManager, name="keeper", identity="home", backoff=Backoff(0.001, 0.01)):
    asked: int = 0

    @starts
    def ask(self, event: Asked) -> Command:
        self.asked += 1
        if event.chore in trouble:
            trouble.pop(event.chore)()
        return Do(event.home, event.chore)

    def failed(self, failure: Failure) -> Resolution:
        return Resolution.STOP


def stumble() -> None:
    raise ValueError("the broom is gone")


def die() -> None:
    process = current.get()
    assert process is not None
    assert isinstance(process.server, GenServer)
    process.server.pid.kill()


trouble: dict[str, Callable[[], None]] = {}
"""What happens at a chore, the first time."""


@asynccontextmanager
async def home(folder: Path) -> AsyncIterator[Application]:
    url = f"sqlite:///{folder}/home.db"
    async with await EventStore.open(url, Codec.of(Listed)) as store:
        await store.append("lists", [Listed("h-1", ("wash", "sweep", "cook")), Listed("h-1", ("iron",))])
    application = Application(
        "home", store=url, aggregates=[Home], process_managers=[Keeper], events=[Done], upcasters=[listed]
    )
    async with application:
        yield application


async def done(application: Application, count: int) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(5):
        async for recorded in application.store.subscribe(stream="home-h-1"):
            assert isinstance(recorded.event, Done)
            found.append(recorded.event.chore)
            if len(found) == count:
                break
    return found


async def stopped(application: Application) -> InstanceStatus:
    async with asyncio.timeout(5):
        async for recorded in application.store.subscribe(stream="keeper-h-1"):
            if isinstance(recorded.event, StepTaken) and recorded.event.failure:
                break
    status = await application.instance(Keeper, "h-1")
    assert status is not None
    return status


def test_each_part_is_handled_once_though_the_instance_dies_between_them(tmp_path: Path) -> None:
    async def main() -> None:
        trouble["sweep"] = die
        async with home(tmp_path) as application:
            assert await done(application, 4) == ["wash", "sweep", "cook", "iron"]
            assert not trouble

    asyncio.run(main())


def test_a_part_that_has_stopped_an_instance_is_the_one_that_it_goes_on_with(tmp_path: Path) -> None:
    async def main() -> None:
        trouble["sweep"] = stumble
        async with home(tmp_path) as application:
            status = await stopped(application)
            assert "the broom is gone" in str(status.failure)
            assert await application.resume(Keeper, "h-1")
            assert await done(application, 4) == ["wash", "sweep", "cook", "iron"]

    asyncio.run(main())
