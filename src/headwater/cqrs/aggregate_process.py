"""The process of one aggregate: it decides commands one at a time, and does not wait for the disk in between.

Each decision is made on the *speculative* state: as if all earlier appends had succeeded already. Its append is
queued behind theirs, and its answer leaves only after they and it are durable; so does the answer "rejected",
because it was decided on the same speculation. If an append fails, every later one fails with it
(`Append.follows`), and nobody has been told anything untrue. After a conflict, what is left is decided again from the
log. After a failure of the storage, all that waits fails likewise: commands come in an order, and none that was sent
before the failure was known takes effect behind one that had none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from headwater.cqrs.resident import Resident
from headwater.cqrs.snapshotting import Snapshotting
from headwater.errors import (
    CommandFailed,
    ConflictNotResolved,
    PipelineBroken,
    Rejected,
    StoreError,
    StoreOverloaded,
    WrongExpectedVersion,
)
from headwater.runtime.exits import Reason, Shutdown
from headwater.runtime.genserver import GenServer
from headwater.runtime.reply import Deferred
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.lifespan import Lifespan
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.repository import Repository
from headwater.store.adapter import Append
from headwater.store.model import Appended, Context
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot
from headwater.types import Position, Version

MAX_ATTEMPTS: Final = 10
"""How often a command is decided before its conflicts are reported to the caller."""


PASSIVATED: Final = Shutdown("passivated")
"""Why an idle aggregate's process ends."""

MAX_UNDER_WAY: Final = 100_000
"""How many commands of one aggregate may wait for their answers. Those beyond are answered `StoreOverloaded`."""


_log: Final = logging.getLogger("headwater.cqrs")


class Committed(msgspec.Struct, frozen=True):
    """The answer to a command: its events are durable.

    Attributes:
        stream: the aggregate's stream.
        version: the stream's version after the command.
        position: the position of its last event, to be used with `wait_for`. Of the last event before it, if
            the command had nothing to do.
        events: the command's events; empty if it had nothing to do.
    """

    stream: str
    version: Version
    position: Position
    events: tuple[Event, ...]


class _Decision:
    """A command that was taken up, and what has become of it so far."""

    __slots__ = ("append", "attempts", "command", "context", "deferred", "events", "failure")

    def __init__(self, command: Command, context: Context, deferred: Deferred[Committed]) -> None:
        self.command = command
        self.context = context
        self.deferred = deferred
        self.attempts = 0
        self.forget()

    def forget(self) -> None:
        """Make it undecided."""
        self.events: tuple[Event, ...] | None = None
        self.append: Append | None = None
        self.failure: Exception | None = None

    @property
    def decided(self) -> bool:
        return self.events is not None or self.failure is not None

    @property
    def conflicted(self) -> bool:
        return self.append is not None and isinstance(self.append.answer.exception(), WrongExpectedVersion)


class AggregateProcess(GenServer):
    """Decides the commands of one aggregate."""

    trap_exit = True  # so that `terminate` answers what is under way

    async def init(
        self,
        store: EventStore,
        kind: type[Aggregate],
        id: str,  # noqa: A002 - the field's term
        resident: Resident,
        save: Callable[[Snapshot], None],
    ) -> None:
        """Load the aggregate from its stream."""
        self._store = store
        self._resident = resident
        self._lifespan = kind.lifespan if type(kind.lifespan) is not Lifespan else None  # None: always the same
        self._idle = kind.lifespan.idle
        self._kind = kind
        self._id = id
        self._stream = kind.stream_of(id)
        self._snapshots = Snapshotting(kind, self._stream, save)
        self._decisions: deque[_Decision] = deque()
        self._recovering = False
        self._aggregate = kind(id)
        self._version = 0
        self._settled_version = 0
        self._position = 0
        self._last: Append | None = None
        await self._load()

    def execute(self, command: Command, context: Context) -> Deferred[Committed]:
        """Decide a command. The answer comes when its events, and all before them, are durable.

        Raises (through the answer):
            Rejected: the aggregate said no, on a state that is durable.
            CommandFailed: `decide` or `evolve` raised something else.
            ConflictNotResolved: the stream kept changing under the command.
            StoreError: the events could not be stored, or those of a command before it.
        """
        decision = _Decision(command, context, self.defer(Committed))
        if len(self._decisions) >= MAX_UNDER_WAY:
            decision.deferred.fail(
                StoreOverloaded(f"{len(self._decisions):,} commands of {self._stream!r} wait already")
            )
            return decision.deferred
        self._resident.busy = True
        self._decisions.append(decision)
        if not self._recovering:
            self._decide(decision)
            if decision.append is None:
                self._settle()
        return decision.deferred

    def inspect(self) -> tuple[Aggregate, Version]:
        """The aggregate with all that was decided so far, durable or not, and its version."""
        return self._aggregate, Version(self._version)

    async def recover(self) -> None:
        """Settle what was under way, read the log, and decide anew what is left."""
        await self._all_answered()
        self._settle()
        left = [decision for decision in self._decisions if not decision.deferred.abandoned]
        await self._load()
        self._decisions = deque(left)
        self._recovering = False
        for decision in left:
            if self._recovering:
                break
            self._decide_again(decision)
        self._settle()

    def passivate(self) -> None:
        """End, because nobody has wanted anything for a while. What was sent before is decided and answered."""
        self.stop(PASSIVATED)

    async def terminate(self, reason: Reason) -> None:
        """Let what is under way become durable, and answer it."""
        self._resident.close()
        await self._all_answered()
        self._settle()

    # --- deciding --------------------------------------------------------------------------------------------

    def _decide(self, decision: _Decision) -> None:
        events: list[Event] = []
        try:
            self._aggregate.execute(decision.command, events)
            if events:
                self._append(decision, events)
                self._snapshots.decided(self._aggregate, self._version)
        except Rejected as rejection:
            decision.failure = rejection.with_traceback(None)  # its frames would refer back to this decision
        except StoreError as error:
            decision.failure = error
        except Exception as error:  # noqa: BLE001 - a bug in the application's code is answered to its caller
            decision.failure = _command_failed(decision.command, error)
        else:
            decision.events = tuple(events)
            return
        if events or not isinstance(decision.failure, Rejected):
            self._start_recovery()

    def _append(self, decision: _Decision, events: list[Event]) -> None:
        append = self._store.submit(
            self._stream, events, expected=self._version, context=decision.context, follows=self._last
        )
        append.answer.add_done_callback(self._answered)
        decision.append = self._last = append
        self._version += len(events)

    def _decide_again(self, decision: _Decision) -> None:
        # Only a conflict of its own counts: one that was behind another's conflict has done nothing wrong.
        decision.attempts += decision.conflicted
        decision.forget()
        if decision.attempts >= MAX_ATTEMPTS:
            decision.failure = ConflictNotResolved(
                f"{type(decision.command).__qualname__} was decided {MAX_ATTEMPTS} times, and each time "
                f"{self._stream!r} had changed before it could be stored"
            )
        else:
            self._decide(decision)

    # --- answering -------------------------------------------------------------------------------------------

    def _answered(self, answer: asyncio.Future[Appended]) -> None:
        answer.exception()  # looked at in its turn; here it only counts as seen
        self._settle()

    def _settle(self) -> None:
        """Answer, in order, all decisions that can be answered."""
        decisions = self._decisions
        while decisions and self._settle_one(decisions[0]):
            decisions.popleft()
        if not decisions and not self._recovering and self._resident.busy:
            self._resident.rest(self._idle)

    def _settle_one(self, decision: _Decision) -> bool:
        """Answer one decision. False if it isn't known yet how it ends."""
        if decision.append is None:
            return decision.decided and self._answer(decision)
        if not decision.append.answer.done():
            return False
        error = decision.append.answer.exception()
        if error is None:
            self._position = int(decision.append.answer.result().position)
            return self._answer(decision)
        self._start_recovery()
        if not isinstance(error, WrongExpectedVersion | PipelineBroken):
            self._fail_all(error)
        return False

    def _fail_all(self, error: BaseException) -> None:
        for decision in self._decisions:
            decision.deferred.fail(error)
        self._decisions.clear()

    def _answer(self, decision: _Decision) -> bool:
        if self._lifespan is not None:
            self._idle = self._lifespan_after(self._lifespan, decision)
        if decision.failure is not None:
            decision.deferred.fail(decision.failure)
            return True
        self._settled_version += len(decision.events or ())
        self._snapshots.settled(self._settled_version)
        decision.deferred.reply(
            Committed(self._stream, Version(self._settled_version), Position(self._position), decision.events or ())
        )
        return True

    def _lifespan_after(self, lifespan: Lifespan, decision: _Decision) -> float:
        try:
            if decision.failure is not None:
                return lifespan.after_error(decision.command, decision.failure)
            if decision.events:
                return lifespan.after_event(decision.events[-1])
            return lifespan.after_command(decision.command)
        except Exception:  # noqa: BLE001 - a bug in the application's code ends no aggregate
            _log.exception("the lifespan of %s raised; it stays %s s", self._stream, lifespan.idle)
            return lifespan.idle

    # --- recovering ------------------------------------------------------------------------------------------

    def _start_recovery(self) -> None:
        if not self._recovering:
            self._recovering = True
            self.pid.cast(AggregateProcess.recover)

    async def _all_answered(self) -> None:
        under_way = [decision.append.answer for decision in self._decisions if decision.append is not None]
        if under_way:
            await asyncio.wait(under_way)

    async def _load(self) -> None:
        loaded = await Repository(self._store).load(self._kind, self._id)
        self._aggregate = loaded.aggregate
        self._version = self._settled_version = int(loaded.version)
        self._position = int(loaded.position)
        self._last = None
        self._snapshots.loaded(self._aggregate, self._version, int(loaded.snapshot))


def _command_failed(command: Command, error: Exception) -> CommandFailed:
    failure = CommandFailed(f"{type(command).__qualname__} failed: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
