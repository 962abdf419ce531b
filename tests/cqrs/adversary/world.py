"""Applications on one log, their clients, and whoever disturbs them; and what all of them have seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final, TypeAlias
from uuid import UUID

from headwater import Application, Command, Committed, Envelope, EventStore, Recorded
from headwater.cqrs.timer_events import TimerCancelled, TimerScheduled, TimerSettled
from headwater.errors import ApplicationError, DeadlineExceeded, HeadwaterError, ProcessError, StoreClosed

from .bank import Account, Closed, Ensure, Order, Ordered, Put, Swap, Take, bank

ACCOUNTS: Final = "abcd"
Answer: TypeAlias = "Committed | Account | HeadwaterError"

UNKNOWN: Final = (DeadlineExceeded, ProcessError, StoreClosed)
"""The caller doesn't know whether the command has had an effect."""


class Operation:
    """A command that a client sends, perhaps several times.

    Attributes:
        key: what its events are known by, in their metadata.
        command: the command.
        id: under which it may be sent again.
        scheduled: whether it is to be dispatched by a timer; None if that isn't known.
        cancelled: whether that was taken back, in time.
        sent: how often it was sent, be it without an answer.
        tries: for each answer, the log's head when it was sent and when it was answered.
    """

    def __init__(self, key: int, command: Command, id_: UUID | None) -> None:
        self.key = key
        self.command = command
        self.id = id_
        self.scheduled: bool | None = False
        self.cancelled = False
        self.sent = 0
        self.tries: list[tuple[int, int, Answer]] = []

    def __repr__(self) -> str:
        return f"<{self.key} {self.command!r} id={self.id} {self.tries}>"


class Node:
    """One application, that is now and then restarted."""

    def __init__(self, make: Callable[[], Application]) -> None:
        self._make = make
        self.application = make()
        self.up = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.application.__aenter__()
        self.up.set()
        try:
            yield
        finally:
            await self.application.__aexit__(None, None, None)

    async def restart(self) -> None:
        self.up.clear()
        await self.application.__aexit__(None, None, None)
        self.application = self._make()
        await self.application.__aenter__()
        self.up.set()


class World:
    """Everything that happens in one run.

    Args:
        url: the log.
        nodes: how many applications write to it.
        seed: of all chance.

    Attributes:
        observer: reads the log; to be set when there is one.
        operations: what clients have sent, in the order in which they began.
        kills: how many processes were killed.
        restarts: how often an application was restarted.
    """

    observer: EventStore

    def __init__(self, url: str, nodes: int, seed: str) -> None:
        self.rng = Random(seed)
        self.nodes = [Node(lambda: bank(url, Random(self.rng.random()))) for _ in range(nodes)]
        self.operations: list[Operation] = []
        self.kills = self.restarts = 0
        self._one_at_a_time = asyncio.Lock()
        self._steps = {
            self._send: 60,
            self._send_again: 30,
            self._hurry: 20,
            self._give_up: 20,
            self._send_many: 10,
            self._look: 20,
            self._later: 10,
            self._kill: 15,
            self._restart: 1,
        }

    # --- clients ---------------------------------------------------------------------------------------------

    async def client(self, steps: int) -> None:
        rng = Random(self.rng.random())
        for _ in range(steps):
            node = rng.choice(self.nodes)
            await node.up.wait()
            (step,) = rng.choices(tuple(self._steps), tuple(self._steps.values()))
            await step(node.application, rng)

    def _operation(self, rng: Random, *, identified: float = 0.5) -> Operation:
        key = len(self.operations)
        id_ = UUID(int=rng.getrandbits(128), version=4) if rng.random() < identified else None
        operation = Operation(key, self._command(rng, key), id_)
        self.operations.append(operation)
        return operation

    def _command(self, rng: Random, key: int) -> Command:
        account, amount = rng.choice(ACCOUNTS), rng.randint(1, 8)
        source, target = rng.sample(ACCOUNTS, 2)
        match rng.randrange(9):
            case 0 | 1:
                return Put(account, amount)
            case 2 | 3 | 4:
                return Take(account, amount)
            case 5:
                return Ensure(account, amount)
            case 6 | 7:
                return Swap(source, target, amount)
        return Order(f"t-{key}", source, target, amount)

    async def _send(self, application: Application, rng: Random) -> None:
        await self._try(application, self._operation(rng))

    async def _send_again(self, application: Application, rng: Random) -> None:
        known = [operation for operation in self.operations if operation.id and operation.scheduled is False]
        if known:
            await self._try(application, rng.choice(known[-20:]))

    async def _hurry(self, application: Application, rng: Random) -> None:
        await self._try(application, self._operation(rng), timeout=rng.choice((1e-6, 0.001, 0.003, 0.01)))

    async def _give_up(self, application: Application, rng: Random) -> None:
        trying = asyncio.ensure_future(self._try(application, self._operation(rng)))
        for _ in range(rng.randrange(12)):
            await asyncio.sleep(0)
        trying.cancel()
        with suppress(asyncio.CancelledError):
            await trying

    async def _look(self, application: Application, rng: Random) -> None:
        operation = self._operation(rng)
        if isinstance(operation.command, Put | Take | Ensure):
            await self._try(application, operation, look=True)
        else:
            await self._try(application, operation)

    async def _try(
        self, application: Application, operation: Operation, *, timeout: float = 30.0, look: bool = False
    ) -> None:
        said = {"op": operation.key}
        operation.sent += 1
        before = await self._head(application)
        answer: Answer
        try:
            if look:
                answer = await application.dispatch(
                    operation.command, metadata=said, id=operation.id, timeout=timeout, attempts=100, returning=Account
                )
            else:
                answer = await application.dispatch(
                    operation.command, metadata=said, id=operation.id, timeout=timeout, attempts=100
                )
        except HeadwaterError as error:
            answer = error
        await self._note(operation, before, answer)

    async def _head(self, application: Application) -> int:
        """As this application can know it: a commit is in an SQLite file shortly before its own store hears of it."""
        try:
            return await application.store.head()
        except (ApplicationError, StoreClosed):
            return await self.observer.head()

    async def _note(self, operation: Operation, before: int, answer: Answer) -> None:
        operation.tries.append((before, await self.observer.head(), answer))

    async def _send_many(self, application: Application, rng: Random) -> None:
        operations = [self._operation(rng) for _ in range(rng.randint(2, 15))]
        envelopes = [
            Envelope(operation.command, metadata={"op": operation.key}, id=operation.id) for operation in operations
        ]
        before = await self._head(application)
        for operation in operations:
            operation.sent += 1
        line = iter(operations)
        with suppress(ApplicationError):  # it is being restarted
            async for outcome in application.dispatch_all(envelopes, in_flight=rng.randint(1, 10)):
                await self._note(next(line), before, outcome.result)

    async def _later(self, application: Application, rng: Random) -> None:
        operation = self._operation(rng, identified=1.0)
        operation.scheduled = None
        after = rng.choice((0.0, 0.01, 0.1))
        with suppress(*UNKNOWN, ApplicationError):
            await application.schedule(operation.command, after=after, id=operation.id, metadata={"op": operation.key})
            operation.scheduled = True
        if rng.random() < 0.3 and operation.id is not None:
            with suppress(*UNKNOWN, ApplicationError):
                operation.cancelled = await application.cancel(operation.id)

    # --- disturbances ----------------------------------------------------------------------------------------

    async def _kill(self, application: Application, rng: Random) -> None:
        """Kill the process of an aggregate, whatever it is doing."""
        victim = application.system.whereis(Account.stream_of(rng.choice(ACCOUNTS)))
        if victim is not None:
            victim.kill()
            self.kills += 1

    async def _restart(self, application: Application, rng: Random) -> None:
        """Restart an application, while its clients wait for answers. One at a time."""
        async with self._one_at_a_time:
            await rng.choice(self.nodes).restart()
            self.restarts += 1

    # --- the end ---------------------------------------------------------------------------------------------

    async def all_ended(self) -> None:
        """Wait until each order and each timer has come to its end."""
        store = self.nodes[0].application.store
        head, open_ = await store.head(), set[object]()
        if not head:
            return
        async for recorded in store.subscribe():
            match recorded.event:
                case Ordered(transfer):
                    open_.add(transfer)
                case Closed(transfer):
                    open_.discard(transfer)
                case TimerScheduled(id):
                    open_.add(id)
                case TimerCancelled(id) | TimerSettled(id):
                    open_.discard(id)
            if recorded.position >= head and not open_:
                return

    async def log(self) -> list[Recorded]:
        return [recorded async for recorded in self.observer.read_all()]
