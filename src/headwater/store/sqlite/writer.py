"""The one thread that writes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from headwater.clock import Clock
from headwater.errors import HeadwaterError, StoreClosed, StoreOverloaded
from headwater.store.adapter import Append
from headwater.store.model import Appended
from headwater.store.sqlite.catalogue import Catalogue
from headwater.store.sqlite.draft import Draft
from headwater.store.sqlite.failure import STORAGE, append_failure, storage_failure

_GROUP_EVENTS: Final = 10_000
_GROUP_BYTES: Final = 4 * 1024 * 1024
_REMEMBERED_STREAMS: Final = 100_000

Outcome = Appended | HeadwaterError


class Answer(NamedTuple):
    """What became of an append."""

    append: Append
    outcome: Outcome


class Statistics(NamedTuple):
    """What a writer has done since it started.

    Attributes:
        commits: transactions that wrote something.
        appends: appends that were committed.
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
    """

    def __init__(self, connection: apsw.Connection, path: Path, clock: Clock, queue_limit: int) -> None:
        self._connection: Final = connection
        self._path: Final = path
        self._clock: Final = clock
        self._queue_limit: Final = queue_limit
        self._queue: deque[Append] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Lock()  # released by whoever finds the thread asleep
        self._wake.acquire()
        self._asleep = False
        self._closing = False
        self._stale = False
        self._catalogue = Catalogue(connection, _REMEMBERED_STREAMS)
        self._head, self._recorded_at = _last_event(connection)
        self.steps = 0  # rises while the thread gets on; see `courtesy`
        self.statistics = Statistics(0, 0, 0, 0)
        self._thread: threading.Thread | None = None

    def start(self, deliver: Callable[[list[Answer]], None]) -> None:
        """Begin to work.

        Args:
            deliver: called on the writer's thread with the answers of one group, in the order of `submit`.
        """
        # A daemon: a program that ends without closing its store must not hang, and a store survives that.
        self._thread = threading.Thread(target=self._work, args=(deliver,), name="headwater-writer", daemon=True)
        self._thread.start()

    def submit(self, append: Append) -> None:
        """Queue an append. Never blocks.

        Raises:
            StoreClosed: the writer is closing.
            StoreOverloaded: the queue is full; nothing was queued.
        """
        with self._lock:
            if self._closing:
                raise StoreClosed(f"{self._path}: the store is closed")
            if len(self._queue) >= self._queue_limit:
                raise StoreOverloaded(f"{self._path}: {self._queue_limit:,} appends wait already, as many as may")
            self._queue.append(append)
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

    def _work(self, deliver: Callable[[list[Answer]], None]) -> None:
        while self._wait():
            answers = self._settle(self._take())
            self._count(answers)
            deliver(answers)

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

    def _take(self) -> list[Append]:
        queue = self._queue
        group = [queue.popleft()]
        events = len(group[0].events)
        size = _size(group[0])
        while queue and events < _GROUP_EVENTS and size < _GROUP_BYTES:
            events += len(queue[0].events)
            size += _size(queue[0])
            if events > _GROUP_EVENTS:
                break
            group.append(queue.popleft())
        return group

    def _settle(self, group: list[Append]) -> list[Answer]:
        """Commit the group, or as much of it as can be, and say what became of each append."""
        try:
            answers = self._transact(group)
        except STORAGE as error:
            self._stale = True
            answers = [Answer(append, storage_failure(self._path, error)) for append in group]
        except Exception as error:  # noqa: BLE001 - the thread must live on, and every append must be answered
            if len(group) > 1:
                return self._settle_singly(group)
            answers = [Answer(append, append_failure(append.stream, error)) for append in group]
        for append, outcome in answers:
            append.failed = not isinstance(outcome, Appended)
            append.follows = None  # it has been looked at; a chain of old appends must not be kept alive
        return answers

    def _settle_singly(self, group: list[Append]) -> list[Answer]:
        """One append of the group spoils its transaction: give each its own, so that only the guilty one fails."""
        return [answer for append in group for answer in self._settle([append])]

    def _transact(self, group: list[Append]) -> list[Answer]:
        connection = self._connection
        try:
            self.steps += 1
            connection.execute("BEGIN IMMEDIATE")
            self.steps += 1
            self._refresh()
            recorded_at = max(self._recorded_at, self._clock.wall() // 1_000)
            draft = Draft(self._catalogue, self._head, recorded_at)
            draft.load(group)
            answers = [Answer(append, draft.add(append)) for append in group]
            draft.insert(connection)
            connection.execute("ROLLBACK" if draft.empty else "COMMIT")
        except BaseException:
            self._roll_back()
            raise
        draft.adopt()
        self._head = draft.head
        self._recorded_at = recorded_at
        return answers

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
            self._head, self._recorded_at = _last_event(self._connection)
            self._stale = False

    def _count(self, answers: list[Answer]) -> None:
        commits, appends, events, refused = self.statistics
        done = [outcome.count for _, outcome in answers if isinstance(outcome, Appended)]
        self.statistics = Statistics(
            commits + bool(done), appends + len(done), events + sum(done), refused + len(answers) - len(done)
        )


def _size(append: Append) -> int:
    events = append.events
    if len(events) == 1:
        return len(events[0].data)
    return sum([len(event.data) for event in events])


def _last_event(connection: apsw.Connection) -> tuple[int, int]:
    """The position and the time of the last event; zeros when there is none."""
    rows = connection.execute("SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1").fetchall()
    if not rows:
        return 0, 0
    [(position, recorded_at)] = rows
    assert isinstance(position, int)  # noqa: S101 - tells the type checker what the table's STRICT says
    assert isinstance(recorded_at, int)  # noqa: S101
    return position, recorded_at
