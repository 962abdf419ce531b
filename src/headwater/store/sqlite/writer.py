"""The one thread that writes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from headwater.clock import Clock
from headwater.errors import HeadwaterError, InternalError, StoreClosed, StoreError, StoreOverloaded
from headwater.store.adapter import Append
from headwater.store.model import Appended
from headwater.store.sqlite import page
from headwater.store.sqlite.catalogue import Catalogue
from headwater.store.sqlite.draft import Draft
from headwater.store.sqlite.failure import STORAGE, append_failure, storage_failure
from headwater.store.sqlite.room import LogRoom
from headwater.store.sqlite.task import Task
from headwater.store.tail import Group

_GROUP_EVENTS: Final = 10_000
_GROUP_BYTES: Final = 4 * 1024 * 1024
_REMEMBERED_STREAMS: Final = 100_000

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


class Settled(NamedTuple):
    """What became of a group.

    Attributes:
        answers: of each piece of work, in the order of `submit`.
        events: what was committed, as readers see it; None if nobody wanted to know, or not all of it is known.
    """

    answers: list[Answer]
    events: Group | None


class Statistics(NamedTuple):
    """What a writer has done since it started.

    Attributes:
        commits: transactions that wrote something.
        appends: appends that were committed, or had been already.
        events: events that were committed.
        refused: appends that failed, for whatever reason.
    """

    commits: int
    appends: int
    events: int
    refused: int


class Writer:
    """Takes what waits, writes it in one transaction, answers all of it at once; again and again.

    Appends take effect in the order of `submit`. Nothing is answered before its COMMIT has returned. A transaction
    holds at most 10,000 events and about 4 MB of data, or a single append that is larger.

    Args:
        connection: its own; nobody else uses it before the thread has ended.
        path: the file, for messages.
        clock: for the time at which events are recorded.
        queue_limit: how many appends may wait.

    Raises:
        apsw.Error: SQLite cannot read the file.

    Attributes:
        remember: whether to hand over what was committed as readers see it; may be changed at any time.
    """

    def __init__(self, connection: apsw.Connection, path: Path, clock: Clock, queue_limit: int) -> None:
        self._connection: Final = connection
        self._path: Final = path
        self._clock: Final = clock
        self._queue_limit: Final = queue_limit
        self._queue: deque[Work] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Lock()  # released by whoever finds the thread asleep
        self._wake.acquire()
        self._asleep = False
        self._closing = False
        self._stale = False
        self._catalogue = Catalogue(connection, _REMEMBERED_STREAMS)
        self._chain = page.chain_head(connection)
        self._recorded_at = _last_time(connection)
        self._room = LogRoom(path, connection)
        self.remember = False
        self.steps = 0  # rises while the thread gets on; see `courtesy`
        self.statistics = Statistics(0, 0, 0, 0)
        self._thread: threading.Thread | None = None

    def start(self, deliver: Callable[[Settled], None]) -> None:
        """Begin to work.

        Args:
            deliver: called on the writer's thread with what became of one group.
        """
        # A daemon: a program that ends without closing its store must not hang, and a store survives that.
        self._thread = threading.Thread(target=self._work, args=(deliver,), name="headwater-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Queue an append or a task. Never blocks.

        Raises:
            StoreClosed: the writer is closing.
            StoreOverloaded: the queue is full; nothing was queued.
        """
        with self._lock:
            if self._closing:
                raise StoreClosed(f"{self._path}: the store is closed")
            if len(self._queue) >= self._queue_limit:
                raise StoreOverloaded(f"{self._path}: {self._queue_limit:,} appends wait already, as many as may")
            self._queue.append(work)
            if self._asleep:
                self._asleep = False
                self._wake.release()

    @property
    def has_room(self) -> bool:
        """Whether `submit` would queue."""
        return len(self._queue) < self._queue_limit

    def finish(self) -> None:
        """Take no more appends, answer those that are queued, end the thread. Blocks until then."""
        with self._lock:
            self._closing = True
            if self._asleep:
                self._asleep = False
                self._wake.release()
        if self._thread is not None:
            self._thread.join()

    # --- on the writer's thread --------------------------------------------------------------------------------

    def _work(self, deliver: Callable[[Settled], None]) -> None:
        while self._wait():
            deliver(self._settle(self._take()))

    def _wait(self) -> bool:
        """Sleep while there is nothing to do. False when there never will be again."""
        while not self._queue:
            with self._lock:
                if self._queue:
                    return True
                if self._closing:
                    return False
                self._asleep = True
            self._wake.acquire()
        return True

    def _take(self) -> list[Work]:
        queue = self._queue
        group = [queue.popleft()]
        events, size = _weight(group[0])
        while queue and events < _GROUP_EVENTS and size < _GROUP_BYTES:
            more, larger = _weight(queue[0])
            events, size = events + more, size + larger
            if events > _GROUP_EVENTS:
                break
            group.append(queue.popleft())
        return group

    def _settle(self, group: list[Work]) -> Settled:
        """Commit the group, or as much of it as can be, and say what became of each."""
        try:
            settled = self._transact(group)
        except STORAGE as error:
            self._stale = True
            settled = Settled([Answer(work, storage_failure(self._path, error)) for work in group], None)
        except Exception as error:  # noqa: BLE001 - the thread must live on, and everything must be answered
            if len(group) > 1:
                return self._settle_singly(group)
            settled = Settled([Answer(group[0], self._failure(group[0], error))], None)
        self._note(settled.answers)
        return settled

    def _settle_singly(self, group: list[Work]) -> Settled:
        """One append of the group spoils its transaction: give each its own, so that only the guilty one fails."""
        return Settled([answer for work in group for answer in self._settle([work]).answers], None)

    def _transact(self, group: list[Work]) -> Settled:
        connection = self._connection
        try:
            self.steps += 1
            connection.execute("BEGIN IMMEDIATE")
            self.steps += 1
            self._room.keep()
            self._refresh()
            now = self._clock.wall() // 1_000
            draft = Draft(connection, self._catalogue, self._chain, self._recorded_at, now, remember=self.remember)
            draft.load(
                [work for work in group if isinstance(work, Append)],
                [name for work in group if isinstance(work, Task) for name in work.streams],
            )
            answers = [Answer(work, self._do(work, draft)) for work in group]
            draft.flush()
            connection.execute("COMMIT" if draft.changed else "ROLLBACK")
        except BaseException:
            self._roll_back()
            raise
        self._recorded_at = draft.recorded_at
        self._chain = draft.adopt()
        return Settled(answers, None if draft.recent is None else Group.of(draft.recent))

    def _do(self, work: Work, draft: Draft) -> object:
        if isinstance(work, Append):
            return draft.add(work)
        draft.flush()
        try:
            result: object = work.run(self._connection, draft)
        except StoreError as error:
            return error
        draft.changed = True
        return result

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:  # some errors have rolled back already
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            self._stale = True

    def _refresh(self) -> None:
        """After the storage has failed, trust nothing but the file."""
        if self._stale:
            self._catalogue.reload()
            self._chain = page.chain_head(self._connection)
            self._recorded_at = _last_time(self._connection)
            self._stale = False

    def _failure(self, work: Work, error: Exception) -> HeadwaterError:
        """What a single piece of work is answered when SQLite refused it for a reason of its own."""
        if isinstance(work, Append):
            return append_failure(work, error, self._connection)
        failure = InternalError(f"a change was refused: {type(error).__name__}: {error}")
        failure.__cause__ = error
        return failure

    def _note(self, answers: list[Answer]) -> None:
        """Let the appends know what became of them, and count."""
        commits, appends, events, refused = self.statistics
        for answer in answers:
            work = answer.work
            if isinstance(work, Append):
                work.failed = not isinstance(answer.outcome, Appended)
                work.follows = None  # it has been looked at; a chain of old appends must not be kept alive
        counts = [answer.outcome.count for answer in answers if isinstance(answer.outcome, Appended)]
        failed = 0
        if len(counts) < len(answers):
            failed = sum([isinstance(answer.outcome, HeadwaterError) for answer in answers])
        committed = commits + (failed < len(answers))
        self.statistics = Statistics(committed, appends + len(counts), events + sum(counts), refused + failed)


def _weight(work: Work) -> tuple[int, int]:
    """How many events a piece of work has, and how many bytes their data."""
    if isinstance(work, Task):
        return 0, 0
    parts = work.parts
    if len(parts) == 1 and len(parts[0].events) == 1:
        return 1, len(parts[0].events[0].data)
    sizes = [len(event.data) for part in parts for event in part.events]
    return len(sizes), sum(sizes)


def _last_time(connection: apsw.Connection) -> int:
    """The time of the last event; 0 when there is none."""
    rows = connection.execute("SELECT recorded_at FROM events ORDER BY position DESC LIMIT 1").fetchall()
    recorded_at = rows[0][0] if rows else 0
    assert isinstance(recorded_at, int)  # noqa: S101 - tells the type checker what the table's STRICT says
    return recorded_at
