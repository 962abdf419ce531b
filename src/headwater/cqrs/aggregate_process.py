"""The process of one aggregate: it decides commands one at a time, and does not wait for the disk in between.

Each decision is made on the *speculative* state: as if all earlier appends had succeeded already. Its append is
queued behind theirs, and its answer leaves only after they and it are durable; so does the answer "rejected",
because it was decided on the same speculation. If an append fails, every later one fails with it
(`Append.follows`), and nobody has been told anything untrue. After a conflict, what is left is decided again from the
log. After a failure of the storage, all that waits fails likewise: commands come in an order, and none that was sent
before the failure was known takes effect behind one that had none.

A command whose identifier was given by its caller may have been sent before. Before it is decided, the log is asked
for its first event, in turn with the appends; commands behind it wait meanwhile, and are decided in their order. If the
log has it, the command is answered as it was the first time. Between question and append nobody else can have brought
it in, or the append would meet a conflict, and the question is asked again.

Where others may append to the stream (other applications, or decision models at this moment), a decision that appends
nothing, such as a rejection, would never meet a conflict. So the log is asked, in turn with the appends, whether the
stream is still at the version that was decided upon; if not, that is a conflict like any other. What is decided in one
turn shares one round trip.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from headwater.cqrs.committed import Committed, CommittedState
from headwater.cqrs.decision import DEFAULT, Decision, Options, command_failed, lifespan_after
from headwater.cqrs.foreign_appends import ForeignAppends
from headwater.cqrs.recalling import recall
from headwater.cqrs.resident import Resident
from headwater.cqrs.snapshotting import Snapshotting
from headwater.cqrs.spans import EXECUTE, POPULATE
from headwater.errors import (
    ConflictNotResolved,
    DuplicateEvent,
    HeadwaterError,
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
from headwater.sourcing.event_ids import event_id
from headwater.sourcing.lifespan import Lifespan
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.repository import Repository
from headwater.store.adapter import Append
from headwater.store.model import Appended, Context
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot
from headwater.types import Position, Version

PASSIVATED: Final = Shutdown("passivated")
"""Why an idle aggregate's process ends."""

MAX_UNDER_WAY: Final = 100_000
"""How many commands of one aggregate may wait for their answers. Those beyond are answered `StoreOverloaded`."""


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
        foreign: ForeignAppends,
    ) -> None:
        """Load the aggregate from its stream."""
        self._store = store
        self._telemetry = store.telemetry
        self._resident = resident
        self._lifespan = kind.lifespan if type(kind.lifespan) is not Lifespan else None  # None: always the same
        self._idle = kind.lifespan.idle
        self._kind = kind
        self._id = id
        self._stream = kind.stream_of(id)
        self._shared = store.adapter.capabilities.many_writers
        self._foreign = foreign
        self._cell.cleanups = [*(self._cell.cleanups or ()), self._end]
        self._snapshots = Snapshotting(kind, self._stream, save)
        self._decisions: deque[Decision] = deque()
        self._undecided: deque[Decision] = deque()
        self._identified: dict[bytes, Decision] = {}
        self._recovering = False
        self._outage: BaseException | None = None
        self._aggregate = kind(id)
        self._version = 0
        self._settled_version = Version(0)
        self._position = Position(0)
        self._last: Append | None = None
        await self._load()

    def execute(self, command: Command, context: Context, options: Options = DEFAULT) -> Deferred[Committed]:
        """Decide a command. The answer comes when its events, and all before them, are durable.

        Whatever the answer says was true of the log at a moment between the call and the answer.

        Raises (through the answer):
            Rejected: the aggregate said no, on a state that is durable and was the latest.
            CommandFailed: `decide` or `evolve` raised something else.
            CommandIdTaken: the command's identifier was used for another aggregate.
            ConflictNotResolved: the stream kept changing under the command.
            StoreError: the events could not be stored, or those of a command before it.
        """
        deferred = self.defer(Committed)
        if options.identified and self._joined(context, options, deferred):
            return deferred
        if len(self._decisions) >= MAX_UNDER_WAY:
            deferred.fail(StoreOverloaded(f"{len(self._decisions):,} commands of {self._stream!r} wait already"))
            return deferred
        if self._outage is not None:
            deferred.fail(self._outage)
            return deferred
        decision = Decision(command, context, options, deferred)
        self._resident.busy = True
        self._decisions.append(decision)
        if options.identified:
            self._identified[decision.identifier] = decision
            self._probe(decision)
        if self._recovering:
            pass
        elif self._undecided or options.identified:
            self._undecided.append(decision)
            self._take_up()
        else:
            self._decide(decision)
            if decision.append is None:
                self._settle()
        return deferred

    def inspect(self) -> tuple[Aggregate, Version]:
        """The aggregate with all that was decided so far, durable or not, and its version."""
        return self._aggregate, Version(self._version)

    def go_on(self) -> None:
        """Take commands again after a failure of the storage: those that come now were sent when it was known."""
        self._outage = None

    async def recover(self) -> None:
        """Settle what was under way, read the log, and decide anew what is left."""
        await self._all_known()
        self._settle()
        left = [decision for decision in self._decisions if not decision.abandoned]
        self._drop(decision for decision in self._decisions if decision.abandoned)
        await self._load()
        self._decisions = deque(left)
        self._undecided.clear()
        await self._prepare_again(left)
        self._recovering = False
        for decision in left:
            if self._recovering:
                break
            self._decide_unless_known(decision)
        self._settle()

    async def refresh(self, version: Version) -> None:
        """Read the stream up to a version that somebody else has brought it to, before anything else is decided."""
        self._foreign.heard(self._stream)
        if self._version < version and not self._recovering:
            self._recovering = True
            await self.recover()

    async def recall(self, decision: Decision) -> None:
        """Find out what a repeated command was answered the first time."""
        if decision.recalled is None and decision.failure is None:
            await self._recall(decision)
        self._settle()

    def passivate(self) -> None:
        """End, because nobody has wanted anything for a while. What was sent before is decided and answered."""
        self.stop(PASSIVATED)

    async def terminate(self, reason: Reason) -> None:
        """Let what is under way become durable, and answer it."""
        self._resident.close()
        await self._finish()
        while self._recovering and self._decisions:  # at most as often as the commands may be decided
            await self.recover()
            await self._finish()

    def _end(self) -> None:
        """The process has ended, perhaps by a kill: what comes to be known after that makes it decide nothing more."""
        self._undecided.clear()
        self._foreign.gone(self._stream)

    # --- deciding --------------------------------------------------------------------------------------------

    def _decide(self, decision: Decision) -> None:
        events: list[Event] = []
        try:
            if self._telemetry.listening:
                self._execute_observed(decision.command, events)
            else:
                self._aggregate.execute(decision.command, events)
            if events:
                self._append(decision, events)
                self._snapshots.decided(self._aggregate, self._version)
        except Rejected as rejection:
            decision.failure = rejection.with_traceback(None)  # its frames would refer back to this decision
        except StoreError as error:
            decision.failure = error
        except Exception as error:  # noqa: BLE001 - a bug in the application's code is answered to its caller
            decision.failure = command_failed(decision.command, error)
        else:
            decision.events = tuple(events)
            if decision.options.keep_state:
                decision.state = copy.deepcopy(self._aggregate)
            if events:
                return
        self._decided_in_vain(decision, events)

    def _decided_in_vain(self, decision: Decision, events: list[Event]) -> None:
        """Nothing was appended, or it isn't sure: read the log if the state is spoilt, and doubt the answer."""
        if events or not isinstance(decision.failure, Rejected | None):
            self._start_recovery()
        if decision.append is None and (self._shared or self._stream in self._foreign):
            self._ask(decision)

    def _execute_observed(self, command: Command, events: list[Event]) -> None:
        with self._telemetry.span(EXECUTE, stream=self._stream, command=type(command).__qualname__) as span:
            self._aggregate.execute(command, events)
            span.set(events=len(events))

    def _append(self, decision: Decision, events: list[Event]) -> None:
        ids = None
        if decision.options.identified:
            ids = [event_id(decision.identifier, index) for index in range(len(events))]
        append = self._store.submit(
            self._stream, events, expected=self._version, context=decision.context, follows=self._last, ids=ids
        )
        append.tell(self._settle)
        decision.append = self._last = append
        self._version += len(events)

    def _ask(self, decision: Decision) -> None:
        """Ask whether the stream is still at the version that the decision was made upon."""
        try:
            decision.still = self._store.stands_at(self._stream, self._version)
        except StoreError as error:
            decision.failure = error
        else:
            decision.still.add_done_callback(lambda _: self._settle())

    # --- commands that may have been sent before ----------------------------------------------------------------

    def _joined(self, context: Context, options: Options, deferred: Deferred[Committed]) -> bool:
        """Whether the same command is under way and wants the same, so that both get its answer."""
        twin = self._identified.get(context.causation or b"")
        if twin is None or twin.options != options:
            return False
        twin.join(deferred)
        return True

    def _probe(self, decision: Decision) -> None:
        """Ask, in its turn among the appends, whether the log has the command's first event."""
        try:
            decision.probe = self._store.holds(self._stream, event_id(decision.identifier, 0))
        except StoreError as error:
            decision.failure = error
        else:
            decision.probe.add_done_callback(lambda _: self._take_up())

    def _take_up(self) -> None:
        """Decide, in order, all commands of which it is known whether they are repetitions."""
        while self._undecided and not self._recovering:
            decision = self._undecided[0]
            if decision.probe is not None and not decision.probe.done():
                break
            self._undecided.popleft()
            self._decide_unless_known(decision)
        if not self._recovering:
            self._settle()

    def _decide_unless_known(self, decision: Decision) -> None:
        if decision.decided:
            return
        error = None if decision.probe is None else decision.probe.exception()
        if error is not None:
            decision.failure = error
        elif decision.repeated:
            self.pid.cast(AggregateProcess.recall, decision)
        else:
            self._decide(decision)

    async def _recall(self, decision: Decision) -> None:
        try:
            loader = Repository(self._store) if decision.options.keep_state else None
            decision.recalled = await recall(self._store, self._kind, self._id, decision.identifier, loader)
        except HeadwaterError as error:
            decision.failure = error

    async def _prepare_again(self, left: Iterable[Decision]) -> None:
        """After a conflict: count it, and ask again whether the log has what identified commands would append."""
        # Only a conflict of its own counts: what was behind another's conflict has done nothing wrong.
        guilty = next((decision for decision in left if decision.conflicted), None)
        for decision in left:
            decision.attempts += decision is guilty
            if decision.recalled is None:
                decision.forget()
                if decision.options.identified:
                    self._probe(decision)
            if decision.attempts >= decision.options.attempts:
                decision.failure = ConflictNotResolved(
                    f"{type(decision.command).__qualname__} was decided {decision.attempts} times, and each time "
                    f"{self._stream!r} had changed before it could be stored"
                )
        await self._all_known()
        for decision in left:
            if decision.repeated and decision.recalled is None:
                await self._recall(decision)

    def _drop(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self._identified.pop(decision.identifier, None)

    # --- answering -------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Answer, in order, all decisions that can be answered."""
        decisions = self._decisions
        while decisions and self._settle_one(decisions[0]):
            settled = decisions.popleft()
            if settled.options.identified:
                self._identified.pop(settled.identifier, None)
        if not decisions and not self._recovering and self._resident.busy:
            self._resident.rest(self._idle)

    def _settle_one(self, decision: Decision) -> bool:
        """Answer one decision. False if it isn't known yet how it ends."""
        if decision.append is None:
            return decision.decided and self._is_true(decision) and self._answer(decision)
        outcome = decision.append.outcome
        if isinstance(outcome, Appended):
            self._position = outcome.position
            # As the store counts: a stream that was deleted goes on behind the versions that it had.
            self._settled_version = outcome.version
            return self._answer(decision)
        if isinstance(outcome, HeadwaterError):
            self._start_recovery()
            if not isinstance(outcome, WrongExpectedVersion | DuplicateEvent | PipelineBroken):
                self._fail_all(outcome)
        return False

    def _is_true(self, decision: Decision) -> bool:
        """Whether the answer to a decision without events may leave. False if it isn't known yet, or isn't true."""
        if decision.still is None:
            return True
        if not decision.still.done():
            return False
        error = decision.still.exception()
        if error is not None:
            decision.failure = error
        elif not decision.still.result():
            self._start_recovery()
            return False
        return True

    def _fail_all(self, error: BaseException) -> None:
        for decision in self._decisions:
            decision.fail(error)
        self._decisions.clear()
        self._outage = error
        self.pid.cast(AggregateProcess.go_on)  # behind the commands that wait in the mailbox
        self._undecided.clear()
        self._identified.clear()

    def _answer(self, decision: Decision) -> bool:
        if self._lifespan is not None:
            self._idle = lifespan_after(self._lifespan, decision)
        if decision.recalled is not None:
            decision.reply(decision.recalled)
        elif decision.failure is not None:
            decision.fail(decision.failure)
        else:
            self._snapshots.settled(self._settled_version)
            answer = (self._stream, self._settled_version, self._position, decision.events or ())
            state = decision.state
            decision.reply(Committed(*answer) if state is None else CommittedState(*answer, state))
        return True

    # --- recovering ------------------------------------------------------------------------------------------

    def _start_recovery(self) -> None:
        if not self._recovering:
            self._recovering = True
            self.pid.cast(AggregateProcess.recover)

    async def _finish(self) -> None:
        """Answer what is under way, unless there is a conflict."""
        await self._all_known()
        self._take_up()
        await self._all_known()
        for decision in list(self._decisions):
            if decision.repeated:
                await self.recall(decision)
        self._settle()

    async def _all_known(self) -> None:
        """Wait for what the storage was asked: appends and probes."""
        appends = [decision.append.answer for decision in self._decisions if decision.append is not None]
        probes = [decision.probe for decision in self._decisions if decision.probe is not None]
        checks = [decision.still for decision in self._decisions if decision.still is not None]
        asked: list[asyncio.Future[Appended] | asyncio.Future[bool]] = [*appends, *probes, *checks]
        await asyncio.gather(*asked, return_exceptions=True)  # whoever they are of looks at them later

    async def _load(self) -> None:
        with self._telemetry.span(POPULATE, stream=self._stream) as span:
            loaded = await Repository(self._store).load(self._kind, self._id)
            span.set(version=loaded.version, snapshot=loaded.snapshot)
        self._aggregate = loaded.aggregate
        self._version = int(loaded.version)
        self._settled_version = loaded.version
        self._position = loaded.position
        self._last = None
        self._snapshots.loaded(self._aggregate, self._version, int(loaded.snapshot))
