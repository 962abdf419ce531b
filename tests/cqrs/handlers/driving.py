"""Handlers that tests drive, and the bank that runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from headwater import Application, Backoff, EventHandler, Recorded, Retry, handle
from headwater.clock import Clock
from headwater.telemetry import Telemetry
from tests.bank import Account, Audited, Balances, Deposit, Deposited

SOON = Retry(3, Backoff(0.001, 0.002))

Scenario = Callable[[Application], Coroutine[object, object, None]]


class Notes(EventHandler):
    """Base of handlers that note what they get.

    Attributes:
        seen: the streams and amounts of what was handled.
        broken: amounts that can't be handled.
    """

    retry = SOON

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.broken: set[int] = set()

    @handle
    def deposited(self, event: Deposited, recorded: Recorded) -> None:
        if event.amount in self.broken:
            raise ValueError(f"{event.amount} is broken")
        self.seen.append((recorded.stream, event.amount))


class Batches(EventHandler):
    """Base of handlers that note batches."""

    retry = SOON

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.broken: set[int] = set()

    def handle_batch(self, events: list[Recorded]) -> None:
        found = amounts(events)
        self.batches.append(found)
        if self.broken.intersection(found):
            raise ValueError(f"{found} is broken")


def amounts(events: Sequence[Recorded]) -> list[int]:
    return [recorded.event.amount for recorded in events if isinstance(recorded.event, Deposited)]


def bank(
    folder: Path,
    *handlers: EventHandler | type[EventHandler],
    clock: Clock | None = None,
    telemetry: Telemetry | None = None,
) -> Application:
    return Application(
        "bank",
        store=f"sqlite:///{folder}/bank.db",
        aggregates=[Account],
        projections=[Balances],
        handlers=handlers,
        events=[Audited],
        clock=clock,
        telemetry=telemetry,
    )


def run(folder: Path, scenario: Scenario, *handlers: EventHandler | type[EventHandler]) -> None:
    async def main() -> None:
        async with bank(folder, *handlers) as application:
            await scenario(application)

    asyncio.run(main())


async def deposit(application: Application, account: str, *numbers: int) -> int:
    """Deposit amounts. Returns the last position."""
    for number in numbers:
        position = await application.dispatch(Deposit(account, number), returning="position")
    return int(position)
