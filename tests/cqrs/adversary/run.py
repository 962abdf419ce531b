"""One run, and what must hold afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack

from headwater import Committed, Event, EventStore, Recorded, Rejected
from headwater.errors import CommandFailed, ConflictNotResolved

from .bank import Account, Closed, Ensure, Moved, Ordered, Put, State, Take, alone
from .world import UNKNOWN, Operation, World

CLIENTS = 12
STEPS = 30


async def run(url: str, nodes: int, seed: str) -> tuple[World, list[Recorded]]:
    """Let everything happen; wait until it has come to its end. Returns what was seen, and the log."""
    async with AsyncExitStack() as stack:
        world = World(url, nodes, seed)
        for node in world.nodes:
            await stack.enter_async_context(node.running())
        codec = world.nodes[0].application.codec
        world.observer = await stack.enter_async_context(await EventStore.open(url, codec, read_only=True))
        await asyncio.gather(*(world.client(STEPS) for _ in range(CLIENTS)))
        await world.all_ended()
        return world, await world.log()


class Log:
    """The log of a run, as the model reads it.

    Attributes:
        states: the bank after each position.
        by_operation: the events of each operation.
        by_transfer: the money that each transfer has moved.
    """

    def __init__(self, log: Sequence[Recorded]) -> None:
        self.states = [State(Counter(), {})]
        self.by_operation = defaultdict[object, list[Recorded]](list)
        self.by_transfer = defaultdict[object, list[tuple[str, int]]](list)
        self.orders: dict[str, Ordered] = {}
        self.ends = defaultdict[str, list[str]](list)
        self.versions = Counter[str]()
        for recorded in log:
            self._add(recorded)

    def _add(self, recorded: Recorded) -> None:
        event, said = recorded.event, recorded.metadata
        assert recorded.position == len(self.states)
        self.versions[recorded.stream] += 1
        assert recorded.version == self.versions[recorded.stream], "versions are dense"
        self.states.append(self.states[-1].after(event))
        if isinstance(event, Moved | Ordered | Closed):
            assert ("op" in said) != ("instance" in said), recorded
            if "op" in said:
                self.by_operation[said["op"]].append(recorded)
        if isinstance(event, Moved):
            assert self.states[-1].balances[event.account] >= 0
            if "instance" in said:
                self.by_transfer[said["instance"]].append((event.account, event.amount))
        elif isinstance(event, Ordered):
            assert event.transfer not in self.orders
            self.orders[event.transfer] = event
        elif isinstance(event, Closed):
            self.ends[event.transfer].append(event.how)


def check_transfer(order: Ordered, ends: list[str], moved: list[tuple[str, int]]) -> str:
    """It has ended once, and its money is where its end says. Returns that."""
    (how,) = ends
    taken = [(order.source, -1)] * order.amount
    expected = {
        "not covered": [],
        "done": [*taken, (order.target, order.amount)],
        "refused": [*taken, (order.source, order.amount)],
    }
    assert moved == expected[how], (order, how, moved)
    return how


class Check:
    """Whether the answers to one operation are true, and its effect is one."""

    def __init__(self, operation: Operation, log: Log) -> None:
        self.operation = operation
        self.states = log.states
        self.events = log.by_operation[operation.key]

    def run(self) -> None:
        """Raises AssertionError if not."""
        effects = [self._answer(*one) for one in self.operation.tries]
        if self.events:
            unanswered = self.operation.sent > len(effects) or self.operation.scheduled is not False
            assert unanswered or any(effect is not False for effect in effects), "no effect, as was answered"
            assert not self.operation.cancelled, "cancelled, and done"
            first, last = self.events[0].position, self.events[-1].position
            assert last - first + 1 == len(self.events), "one effect"
            assert self._alone(first - 1) == self._decided, "as a single client would have had it"

    def _answer(self, before: int, after: int, answer: object) -> bool | None:
        """Whether it had an effect; None if that isn't known."""
        match answer:
            case Committed(events=()):
                assert any(self._alone(place) == () for place in range(before, after + 1)), "nothing to do"
                assert not self._done_by(before)
                return False
            case Committed():
                self._committed(after, answer)
                return True
            case Account():
                return self._state(before, after, answer)
            case Rejected(reason="mood") | ConflictNotResolved():
                return False
            case Rejected():
                assert any(self._alone(place) is None for place in range(before, after + 1)), "it was true"
                assert not self._done_by(before)
                return False
            case CommandFailed():
                assert "Moody.before failed" in str(answer), answer
                return False
        assert isinstance(answer, UNKNOWN) or "not running" in str(answer), repr(answer)
        return None

    def _committed(self, after: int, answer: Committed) -> None:
        assert answer.events == self._decided
        last = self.events[-1]
        assert (answer.stream, answer.version, answer.position) == (last.stream, last.version, last.position)
        assert answer.position <= after

    def _state(self, before: int, after: int, answer: Account) -> bool | None:
        assert isinstance(self.operation.command, Put | Take | Ensure)
        places = [self.events[-1].position] if self._done_by(before) else range(before, after + 1)
        assert answer.balance in {self.states[place].balances[answer.id] for place in places}
        return None

    def _done_by(self, place: int) -> bool:
        return bool(self.events) and self.events[-1].position <= place

    def _alone(self, place: int) -> tuple[Event, ...] | None:
        return alone(self.operation.command, self.states[place])

    @property
    def _decided(self) -> tuple[object, ...]:
        return tuple(recorded.event for recorded in self.events)


def _line(recorded: Recorded) -> str:
    return f"{recorded.position} {recorded.stream} v{recorded.version} {recorded.event} {dict(recorded.metadata)}"


def check(world: World, recorded: Sequence[Recorded]) -> Counter[str]:
    """Everything that must hold. Returns what has happened, by kind."""
    log = Log(recorded)
    seen = Counter[str](kills=world.kills, restarts=world.restarts)
    for operation in world.operations:
        try:
            Check(operation, log).run()
        except AssertionError as error:
            trail = "\n".join(map(_line, log.by_operation[operation.key]))
            raise AssertionError(f"{error}: {operation}; in the log:\n{trail}") from error
        seen.update(type(answer).__name__ for _, _, answer in operation.tries)
    for order in log.orders.values():
        seen[check_transfer(order, log.ends[order.transfer], log.by_transfer[order.transfer])] += 1
    external = sum(e.event.amount for events in log.by_operation.values() for e in events if isinstance(e.event, Moved))
    assert sum(log.states[-1].balances.values()) == external, "money is conserved"
    return seen
