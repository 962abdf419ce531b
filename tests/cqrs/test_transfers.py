"""Aggregates and decision models on the same streams: each is told of what the other has done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Aggregate, Application, Command, Committed, DecisionModel, Event, Rejected, decide, evolve
from headwater.cqrs.aggregate_process import AggregateProcess
from headwater.errors import ConflictNotResolved


class Paid(Event, name="purse.paid", tags=("purse",)):
    purse: str
    amount: int
    """Negative for what was taken out."""


class Pay(Command):
    purse: str
    amount: int


class Transfer(Command):
    source: str
    target: str
    amount: int


class Purse(Aggregate, identity="purse"):
    amount: int = 0

    @decide
    def pay(self, command: Pay) -> Iterator[Event]:
        if self.amount + command.amount < 0:
            raise Rejected("not enough")
        yield Paid(command.purse, command.amount)

    @evolve
    def paid(self, event: Paid) -> None:
        self.amount += event.amount


class Transfers(DecisionModel[Transfer]):
    def __init__(self) -> None:
        self.amounts = Counter[str]()

    @classmethod
    def scope(cls, command: Transfer) -> Iterable[str]:
        return f"purse:{command.source}", f"purse:{command.target}"

    @decide
    def transfer(self, command: Transfer) -> Iterator[Event]:
        if self.amounts[command.source] < command.amount:
            raise Rejected("not enough")
        yield Paid(command.source, -command.amount)
        yield Paid(command.target, command.amount)

    @evolve
    def paid(self, event: Paid) -> None:
        self.amounts[event.purse] += event.amount

    def stream_of(self, event: Event) -> str:
        assert isinstance(event, Paid)
        return Purse.stream_of(event.purse)


@pytest.mark.row("BC-14")
def test_an_aggregate_in_memory_hears_of_what_a_model_has_put_into_its_stream() -> None:
    async def main() -> None:
        async with Application("p", store="memory://", aggregates=[Purse], models=[Transfers]) as application:
            await asyncio.gather(*(application.dispatch(Pay(purse, amount)) for purse, amount in (("a", 9), ("b", 0))))
            for amount in (5, 2):
                await application.dispatch(Transfer("a", "b", amount))
                taken = await application.dispatch(Pay("b", -amount), attempts=1)
                assert taken.events == (Paid("b", -amount),), "not rejected upon what it had in memory"
            with pytest.raises(Rejected):
                await application.dispatch(Pay("a", -3))

    asyncio.run(main())


def _command(rng: Random) -> Command:
    if rng.random() < 0.5:
        return Pay(rng.choice("abc"), rng.randint(-3, 3))
    source, target = rng.sample("abc", 2)
    return Transfer(source, target, rng.randint(1, 3))


@pytest.mark.row("BC-14", "CM-09")
@settings(max_examples=15, deadline=None)
@given(st.integers(), st.integers(20, 50), st.sampled_from(["memory://", "sqlite"]))
def test_commands_of_both_are_serializable(
    tmp_path_factory: pytest.TempPathFactory, seed: int, clients: int, url: str
) -> None:
    if url == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('purses')}/p.db"
    rng = Random(seed)

    refused: list[tuple[Command, int, int]] = []

    async def client(application: Application) -> list[tuple[Command, Committed]]:
        done = []
        for _ in range(5):
            command, before = _command(rng), await application.store.head()
            try:
                done.append((command, await application.dispatch(command, attempts=20)))
            except Rejected:
                refused.append((command, before, await application.store.head()))
            except ConflictNotResolved:
                pass
        return done

    async def main() -> None:
        async with Application("p", store=url, aggregates=[Purse], models=[Transfers]) as application:
            found = await asyncio.gather(*(client(application) for _ in range(clients)))
            log = [recorded.event async for recorded in application.store.read_all()]
        done = sorted((one for run in found for one in run), key=lambda one: one[1].position)
        assert [event for _, committed in done for event in committed.events] == log
        for command, committed in done:  # each was possible, on what all before it had left
            assert _possible(command, log[: committed.position - len(committed.events)])
        for command, before, after in refused:
            assert not all(_possible(command, log[:place]) for place in range(before, after + 1)), "a true answer"

    asyncio.run(main())


def _possible(command: Command, log: Sequence[object]) -> bool:
    amounts = Counter[str]()
    for event in log:
        assert isinstance(event, Paid)
        amounts[event.purse] += event.amount
    if isinstance(command, Pay):
        return amounts[command.purse] + command.amount >= 0
    assert isinstance(command, Transfer)
    return amounts[command.source] >= command.amount


async def _is_answered_by_the_log(application: Application, purse: str) -> None:
    """What is in the purse can be taken out, and no more: its aggregate in memory knows what the log knows."""
    await application.store.stands_at("any", 0)  # answered behind all that was submitted before
    inside = (await application.state(Purse, purse)).amount
    with pytest.raises(Rejected):
        await application.dispatch(Pay(purse, -inside - 1))
    if inside:
        assert (await application.dispatch(Pay(purse, -inside), attempts=2)).events == (Paid(purse, -inside),)


@pytest.mark.row("BC-14")
def test_an_aggregate_hears_of_what_a_model_has_stored_for_a_caller_that_gave_up(tmp_path: Path) -> None:
    """After each number of turns of the event loop."""
    taken = Counter[bool]()

    async def main() -> None:
        url = f"sqlite:///{tmp_path}/purses.db"
        async with Application("p", store=url, aggregates=[Purse], models=[Transfers]) as application:
            await application.dispatch(Pay("a", 1_000))
            for turns in range(60):
                target = f"b{turns}"
                with pytest.raises(Rejected):
                    await application.dispatch(Pay(target, -1))
                transfer = asyncio.ensure_future(application.dispatch(Transfer("a", target, 5)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                transfer.cancel()
                await asyncio.wait([transfer])
                taken[transfer.cancelled()] += 1
                await _is_answered_by_the_log(application, target)

    asyncio.run(main())
    assert taken[True] > 5


@pytest.mark.row("CM-09")
@pytest.mark.parametrize("identified", [False, True])
def test_the_successor_of_a_killed_aggregate_knows_what_that_has_left_behind(tmp_path: Path, identified: bool) -> None:
    """Likewise."""

    async def main() -> None:
        url = f"sqlite:///{tmp_path}/purses.db"
        async with Application("p", store=url, aggregates=[Purse]) as application:
            for turns in range(40):
                purse = f"p{turns}"
                await application.dispatch(Pay(purse, 1))
                ids = [uuid4() if identified else None for _ in "123"]
                answers = [asyncio.ensure_future(application.dispatch(Pay(purse, 1), id=id_)) for id_ in ids]
                for _ in range(turns):
                    await asyncio.sleep(0)
                application.system.named(AggregateProcess, Purse.stream_of(purse)).kill()
                with pytest.raises(Rejected):
                    await application.dispatch(Pay(purse, -100))  # it has a successor now
                await asyncio.wait(answers)
                await _is_answered_by_the_log(application, purse)

    asyncio.run(main())


@pytest.mark.row("BC-14")
def test_what_waits_for_a_busy_aggregate_is_decided_upon_what_models_have_stored_meanwhile() -> None:
    """The command was sent to the aggregate before it was told of the transfer, and is decided after that."""

    async def main() -> None:
        async with Application("p", store="memory://", aggregates=[Purse], models=[Transfers]) as application:
            await application.dispatch(Pay("a", 9))
            with pytest.raises(Rejected):
                await application.dispatch(Pay("b", -1))
            process = application.system.named(AggregateProcess, Purse.stream_of("b")).process
            process.suspend()
            paid = asyncio.ensure_future(application.dispatch(Pay("b", -5), attempts=2))
            await application.dispatch(Transfer("a", "b", 5))
            process.resume()
            assert (await paid).events == (Paid("b", -5),)

    asyncio.run(main())
