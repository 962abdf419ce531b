"""The queue of what is to be written, and the one task that empties it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from headwater.clock import Clock
from headwater.errors import HeadwaterError, InternalError, OutcomeUnknown, StorageFailed, StoreError, StoreOverloaded
from headwater.store.adapter import Append
from headwater.store.model import Appended
from headwater.store.postgres.failure import append_failure, is_lost, is_of_storage, storage_failure
from headwater.store.postgres.patience import Patience
from headwater.store.postgres.task import Task
from headwater.store.postgres.transactions import Transactions
from headwater.store.repetitions import events_of

_GROUP_EVENTS: Final = 10_000
_GROUP_BYTES: Final = 4 * 1024 * 1024
_SMALL_GROUP: Final = 64  # appends; not worth halving

Work = Append | Task[Any]
"""What may be queued. A task's result is as its own answer wants it."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of an append or a task.

    Attributes:
        work: which one.
        outcome: `Appended`, a task's own result, or the error.
    """

    work: Work
    outcome: object


class Statistics(NamedTuple):
    """What a writer has done since it started.

    Attributes:
        commits: groups of which something was written.
        appends: appends that were committed, or had been already.
        events: events that were committed.
        refused: appends that failed, for whatever reason.
    """

    commits: int = 0
    appends: int = 0
    events: int = 0
    refused: int = 0


class Writer:
    """Takes what waits, writes it in one transaction, answers all of it at once; again and again.

    Appends take effect in the order of `submit`. A transaction holds at most 10,000 events and about 4 MB of data,
    or a single append that is larger. While the database is gone, what waits goes on waiting, as long as the limits
    say; then it is told so, and what comes later is told so at once, until the database is back.

    Args:
        transactions: what to write through.
        location: the store's, for messages.
        clock: for the waits between attempts.
        patience: seconds to wait for a database that is gone.
        queue_limit: how many appends may wait.
        deliver: called with the answers of one group, in the order of `submit`.
    """

    def __init__(
        self,
        transactions: Transactions,
        location: str,
        clock: Clock,
        *,
        patience: float,
        queue_limit: int,
        deliver: Callable[[list[Answer]], None],
    ) -> None:
        self._transactions: Final = transactions
        self._location: Final = location
        self._clock: Final = clock
        self._patience: Final = patience
        self._queue_limit: Final = queue_limit
        self._deliver: Final = deliver
        self._queue: deque[Work] = deque()
        self._following: list[Work] = []  # taken from the queue already
        self._waiting = asyncio.Event()
        self._closing = False
        self._given_up = False
        self.statistics = Statistics()
        self._task: Final = asyncio.get_running_loop().create_task(self._work(), name="headwater-store-writer")

    def submit(self, work: Work) -> None:
        """Queue an append or a task. Never blocks.

        Raises:
            StoreOverloaded: the queue is full; nothing was queued.
        """
        if len(self._queue) >= self._queue_limit:
            raise StoreOverloaded(f"{self._location}: {self._queue_limit:,} appends wait already, as many as may")
        self._queue.append(work)
        if not self._waiting.is_set():
            self._waiting.set()

    @property
    def has_room(self) -> bool:
        """Whether `submit` would queue."""
        return len(self._queue) < self._queue_limit

    async def finish(self) -> None:
        """Answer what is queued, end the task, give the connection back."""
        self._closing = True
        self._waiting.set()
        await self._task
        await self._transactions.close()

    async def _work(self) -> None:
        while await self._wait():
            group, self._following = self._following or self._take(), []
            answers = await self._settle(group)
            self._count(answers)
            self._deliver(answers)
            if not self._queue:  # those who were answered get their turn: what they append next comes together
                await asyncio.sleep(0)

    async def _wait(self) -> bool:
        """Sleep while there is nothing to do. False when there never will be again."""
        while not (self._following or self._queue):
            if self._closing:
                return False
            self._waiting.clear()
            await self._waiting.wait()
        return True

    def _take(self) -> list[Work]:
        """Appends as far as they fit into one transaction, or a task."""
        queue = self._queue
        group = [queue.popleft()]
        if isinstance(group[0], Task):
            return group
        events, size = _weight(group[0])
        # When many wait, only half of them are taken: while the server works, the others have theirs prepared. All at
        # once, everybody would wait for the server, and then the server for everybody.
        most = max(_SMALL_GROUP, len(queue) // 2)
        while queue and len(group) < most and events < _GROUP_EVENTS and size < _GROUP_BYTES:
            work = queue[0]
            if isinstance(work, Task):
                break
            more, larger = _weight(work)
            events, size = events + more, size + larger
            if events > _GROUP_EVENTS:
                break
            group.append(queue.popleft())
        return group

    def _take_following(self) -> list[Append]:
        """The next group, to be drafted while this one is under way, if many wait; few shall become more."""
        if not self._following and len(self._queue) >= _SMALL_GROUP and not isinstance(self._queue[0], Task):
            self._following = self._take()
            return [work for work in self._following if isinstance(work, Append)]
        return []

    async def _settle(self, group: list[Work]) -> list[Answer]:
        """Commit the group, or as much of it as can be, and say what became of each."""
        try:
            outcomes: Sequence[object] = await self._outcomes(group)
        except StoreError as error:
            outcomes = [_again(error) for _ in group]
        except Exception as error:  # noqa: BLE001 - the task must live on, and everything must be answered
            if is_of_storage(error):
                outcomes = [storage_failure(self._location, error) for _ in group]
            elif len(group) > 1:
                # One append of the group spoils its transaction: give each its own, so that only the guilty one fails.
                return [answer for work in group for answer in await self._settle([work])]
            else:
                outcomes = [_failure(group[0], error)]
        answers = [Answer(work, outcome) for work, outcome in zip(group, outcomes, strict=True)]
        for work, outcome in zip(group, outcomes, strict=True):
            if isinstance(work, Append):
                work.failed = not isinstance(outcome, Appended)
                work.follows = None  # it has been looked at; a chain of old appends must not be kept alive
        return answers

    async def _outcomes(self, group: list[Work]) -> Sequence[object]:
        """Try until it is known what became of the group, or the patience is at its end."""
        patience = Patience(self._clock, 0 if self._given_up else self._patience)
        while True:
            try:
                outcomes = await self._attempt(group)
            except Exception as error:
                if is_lost(error):
                    self._transactions.drop()
                elif not self._transactions.in_doubt:
                    raise
                if not await patience.wait():
                    return self._give_up(group, error)
            else:
                self._given_up = False
                return outcomes

    async def _attempt(self, group: list[Work]) -> Sequence[object]:
        if self._transactions.in_doubt:
            outcomes = await self._transactions.resolve()
            if outcomes is not None:
                return outcomes
        [*appends] = [work for work in group if isinstance(work, Append)]
        if appends:
            return await self._transactions.append(appends, self._take_following)
        return [await self._transactions.change(work) for work in group if isinstance(work, Task)]

    def _give_up(self, group: list[Work], error: Exception) -> list[HeadwaterError]:
        self._given_up = True
        if not self._transactions.in_doubt:
            return [storage_failure(self._location, error) for _ in group]
        self._transactions.abandon()
        return [_unknown(self._location, work, error) for work in group]

    def _count(self, answers: list[Answer]) -> None:
        commits, appends, events, refused = self.statistics
        done = [answer.outcome.count for answer in answers if isinstance(answer.outcome, Appended)]
        failed = sum([isinstance(answer.outcome, HeadwaterError) for answer in answers])
        self.statistics = Statistics(
            commits + (failed < len(answers)), appends + len(done), events + sum(done), refused + failed
        )


def _weight(append: Append) -> tuple[int, int]:
    """How many events an append has, and how many bytes their data."""
    parts = append.parts
    if len(parts) == 1 and len(parts[0].events) == 1:
        return 1, len(parts[0].events[0].data)
    sizes = [len(event.data) for event in events_of(append)]
    return len(sizes), sum(sizes)


def _unknown(location: str, work: Work, error: Exception) -> OutcomeUnknown:
    ids = [UUID(bytes=event.id) for event in events_of(work)] if isinstance(work, Append) else []
    failure = OutcomeUnknown(
        f"{location}: the connection was lost while this was committed, and the database did not come back: it is in "
        "the log, or not; append it again with the same identifiers",
        ids=ids,
    )
    failure.__cause__ = error
    return failure


def _again(error: StoreError) -> StoreError:
    """The same for somebody else: an exception that is raised twice would gather both tracebacks."""
    if type(error) is StorageFailed:
        copy = StorageFailed(str(error))
        copy.__cause__ = error
        return copy
    return error


def _failure(work: Work, error: Exception) -> HeadwaterError:
    """What a single piece of work is answered when the database refused it for a reason of its own."""
    if isinstance(work, Append):
        return append_failure(work, error)
    failure = InternalError(f"a change was refused: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
