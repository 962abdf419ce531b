"""What commands pass through on their way in and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from headwater import Application, Committed, Envelope, HeadwaterError, Middleware, Rejected
from headwater.errors import CommandFailed, InvalidCommand
from tests.bank import Account, Break, Deposit, Withdraw

from .orders import Order, Ordered, Shop


def application(*middleware: Middleware) -> Application:
    return Application("x", store="memory://", aggregates=[Account, Shop], events=[Ordered], middleware=middleware)


class Noting(Middleware):
    def __init__(self, name: str, log: list[str], refuses: type[Exception] | None = None) -> None:
        self.name, self.log, self.refuses = name, log, refuses

    def before(self, envelope: Envelope) -> Envelope | None:
        self.log.append(f"{self.name} before {type(envelope.command).__name__}")
        if self.refuses is not None and envelope.command == Deposit("a", 13):
            raise self.refuses("13")
        return envelope.with_metadata(**{self.name: len(self.log)}) if self.name == "one" else None

    def after(self, envelope: Envelope, committed: Committed) -> None:
        self.log.append(f"{self.name} after {committed.version} {envelope.metadata}")

    def failed(self, envelope: Envelope, error: HeadwaterError) -> None:
        self.log.append(f"{self.name} failed {type(error).__name__}")


class Async(Noting):
    async def before(self, envelope: Envelope) -> Envelope | None:  # type: ignore[override]  # may be async
        await asyncio.sleep(0)
        return super().before(envelope)

    async def after(self, envelope: Envelope, committed: Committed) -> None:  # type: ignore[override]  # may be async
        await asyncio.sleep(0)
        super().after(envelope, committed)


@pytest.mark.row("CM-14")
@pytest.mark.parametrize("many", [False, True])
def test_middleware_runs_in_order_on_the_way_in_and_in_reverse_on_the_way_back(many: bool) -> None:
    log: list[str] = []

    async def main() -> None:
        async with application(Noting("one", log), Async("two", log)) as app:
            await dispatched(app, [Deposit("a", 5)], many)
            assert log == [
                "one before Deposit",
                "two before Deposit",
                "two after 1 {'one': 1}",
                "one after 1 {'one': 1}",
            ]
            [stored] = [recorded async for recorded in app.store.read_all()]
            assert stored.metadata == {"one": 1}, "what middleware adds is stored"
            del log[:]
            await dispatched(app, [Withdraw("a", 6)], many)
            assert log[2:] == ["two failed Rejected", "one failed Rejected"]

    asyncio.run(main())


async def dispatched(app: Application, commands: Sequence[Deposit | Withdraw], many: bool) -> list[object]:
    if many:
        return [outcome.result async for outcome in app.dispatch_all(commands)]
    return await asyncio.gather(*map(app.dispatch, commands), return_exceptions=True)


@pytest.mark.row("CM-14")
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(("refusal", "seen"), [(Rejected, Rejected), (ZeroDivisionError, CommandFailed)])
def test_middleware_may_refuse_and_those_before_it_are_told(
    refusal: type[Exception], seen: type[Exception], many: bool
) -> None:
    log: list[str] = []

    async def main() -> None:
        async with application(Noting("one", log), Noting("two", log, refusal), Noting("three", log)) as app:
            [result] = await dispatched(app, [Deposit("a", 13)], many)
            assert type(result) is seen
            assert log == ["one before Deposit", "two before Deposit", f"one failed {seen.__name__}"]
            assert await app.store.head() == 0

    asyncio.run(main())


def test_middleware_that_fails_afterwards_changes_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(Middleware):
        def after(self, envelope: Envelope, committed: Committed) -> None:
            raise ZeroDivisionError

        async def failed(self, envelope: Envelope, error: HeadwaterError) -> None:
            raise ZeroDivisionError

    class Lost(Middleware):
        def before(self, envelope: Envelope) -> object:
            return "nonsense"

    async def main() -> None:
        async with application(Clumsy()) as app:
            assert (await app.dispatch(Deposit("a", 1))).version == 1
            with pytest.raises(CommandFailed, match="ZeroDivisionError"):
                await app.dispatch(Break("a"))
        async with application(Lost()) as app:
            with pytest.raises(CommandFailed, match=r"Lost\.before gave 'nonsense'"):
                await app.dispatch(Deposit("a", 1))

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert caplog.text.count("Clumsy raised after a") == 2


# --- validation --------------------------------------------------------------------------------------------------


def test_a_command_that_makes_no_sense_is_refused_at_the_edge() -> None:
    async def main() -> None:
        async with application() as app:
            with pytest.raises(InvalidCommand, match="count must be positive") as caught:
                await app.dispatch(Order("s", 0))
            assert caught.value.field == "count"
            with pytest.raises(InvalidCommand, match="Order: too many") as told:
                await app.dispatch(Order("s", 1_000))
            assert isinstance(told.value.__cause__, ValueError)
            with pytest.raises(CommandFailed, match=r"Order\.validate failed: ZeroDivisionError"):
                await app.dispatch(Order("s", 999))
            with pytest.raises(Rejected, match="not today"):
                await app.dispatch(Order("s", 998))
            with pytest.raises(InvalidCommand, match=r"Order\.shop is empty") as empty:
                await app.dispatch(Order("", 1))
            assert empty.value.field == "shop"
            with pytest.raises(ValueError, match="never built"):
                Order("s", -1)
            outcomes = [one.result async for one in app.dispatch_all([Order("s", 0), Order("s", 1)])]
            assert [type(one) for one in outcomes] == [InvalidCommand, Committed]
            assert Shop.asked == 1, "nobody was asked to decide the others"

    asyncio.run(main())
