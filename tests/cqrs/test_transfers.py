"""Aggregates and decision models on the same streams: each is told of what the other has done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Aggregate, Application, Command, Committed, DecisionModel, Event, Rejected, decide, evolve
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
