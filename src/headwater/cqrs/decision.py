"""A command on its way through an aggregate's process."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec

from headwater.cqrs.committed import Committed
from headwater.errors import CommandFailed, DuplicateEvent, UnknownType, WrongExpectedVersion
from headwater.runtime.reply import Deferred
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.lifespan import Lifespan
from headwater.sourcing.messages import Command, Event
from headwater.store.adapter import Append
from headwater.store.model import Context

_log: Final = logging.getLogger("headwater.cqrs")

MAX_ATTEMPTS: Final = 10
"""How often a command is decided before its conflicts are reported to the caller, unless the caller says otherwise."""


class Options(msgspec.Struct, frozen=True):
    """How a command is to be treated.

    Attributes:
        identified: the command's identifier was given by its caller, who may have sent it before.
        attempts: how often it is decided before its conflicts are reported.
        keep_state: the answer is `CommittedState`.
    """

    identified: bool = False
    attempts: int = MAX_ATTEMPTS
    keep_state: bool = False


DEFAULT: Final = Options()


class Decision(msgspec.Struct, eq=False):
    """A command that was taken up, and what has become of it so far.

    Attributes:
        command: the command.
        context: what is stored beside its events; the causation is the command's identifier.
        options: how it is to be treated.
        deferred: the answer to whoever has sent it.
        others: the answers to those who have sent it again meanwhile.
        attempts: how often its append has met a conflict.
        events: what was decided; None as long as nothing was, or if it came to nothing.
        append: the append of these events; None if there are none.
        failure: what it is answered instead.
        probe: tells whether the log has the command's events already; None if nobody needs to know.
        still: tells whether the stream is still at the version that it was decided upon; None if its append will tell,
            or if nobody else writes.
        state: the aggregate as the command left it, if its caller wants to see it.
        recalled: what it was answered the first time, if it is a repetition.
    """

    command: Command
    context: Context
    options: Options
    deferred: Deferred[Committed]
    others: tuple[Deferred[Committed], ...] = ()
    attempts: int = 0
    events: tuple[Event, ...] | None = None
    append: Append | None = None
    failure: BaseException | None = None
    still: asyncio.Future[bool] | None = None
    probe: asyncio.Future[bool] | None = None
    state: Aggregate | None = None
    recalled: Committed | None = None

    def forget(self) -> None:
        """Make it undecided."""
        self.events = self.append = self.failure = self.still = self.probe = self.state = None

    def join(self, deferred: Deferred[Committed]) -> None:
        """Somebody has sent the same command again: one more to answer."""
        self.others += (deferred,)

    @property
    def identifier(self) -> bytes:
        """The 16 bytes of the command's identifier."""
        return self.context.causation or b""

    @property
    def decided(self) -> bool:
        """Whether it is known how the command ends, as far as the aggregate is concerned."""
        return self.events is not None or self.failure is not None or self.recalled is not None

    @property
    def repeated(self) -> bool:
        """Whether the log has the command's events already."""
        probe = self.probe
        return probe is not None and probe.done() and probe.exception() is None and probe.result()

    @property
    def conflicted(self) -> bool:
        """Whether another writer has come before it, as is known when all that was asked is answered."""
        if self.append is not None:
            return isinstance(self.append.outcome, WrongExpectedVersion | DuplicateEvent)
        return self.still is not None and self.still.exception() is None and not self.still.result()

    @property
    def abandoned(self) -> bool:
        """Whether all who have sent it have given up waiting."""
        return self.deferred.abandoned and all(other.abandoned for other in self.others)

    def reply(self, committed: Committed) -> None:
        """Answer it."""
        self.deferred.reply(committed)
        for other in self.others:
            other.reply(committed)

    def fail(self, error: BaseException) -> None:
        """Answer it with an error."""
        self.deferred.fail(error)
        for other in self.others:
            other.fail(error)


def command_failed(command: Command, error: Exception) -> CommandFailed:
    """What the caller is told of a bug in the application's code; `error` is its cause."""
    hint = "; an event that nothing evolves or follows is named in `events`" if isinstance(error, UnknownType) else ""
    failure = CommandFailed(f"{type(command).__qualname__} failed: {type(error).__name__}: {error}{hint}")
    failure.__cause__ = error
    return failure


def lifespan_after(lifespan: Lifespan, decision: Decision) -> float:
    """Seconds that an aggregate stays when this was its last command."""
    try:
        if decision.failure is not None:
            return lifespan.after_error(decision.command, decision.failure)
        events = decision.events if decision.recalled is None else decision.recalled.events
        if events:
            return lifespan.after_event(events[-1])
        return lifespan.after_command(decision.command)
    except Exception:  # noqa: BLE001 - a bug in the application's code ends no aggregate
        _log.exception("a lifespan raised after a %s; it is %s s", type(decision.command).__qualname__, lifespan.idle)
        return lifespan.idle
