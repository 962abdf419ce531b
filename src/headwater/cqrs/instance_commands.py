"""The commands of one instance of a process manager: how they are dispatched, and what it does about how they end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headwater.cqrs.committed import Committed
from headwater.cqrs.envelope import BECAUSE
from headwater.cqrs.manager_log import InstanceLog
from headwater.cqrs.manager_step import Draft, Settled, Trigger
from headwater.cqrs.outgoing import Outgoing
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.reacting import INSTANCE, MANAGER
from headwater.cqrs.surroundings import Surroundings
from headwater.errors import Rejected
from headwater.sourcing.messages import Command

Answer = Committed | Rejected
"""How a command has ended. Whatever else is raised is a failure, and no answer."""


class InstanceCommands:
    """Dispatches an instance's commands.

    Args:
        kind: the class of the process manager.
        id: which instance.
        surroundings: what it works with.
        log: the instance, and its steps.
    """

    def __init__(self, kind: type[ProcessManager], id: str, surroundings: Surroundings, log: InstanceLog) -> None:  # noqa: A002 - the field's term
        self._kind: Final = kind
        self._id: Final = id
        self._surroundings: Final = surroundings
        self._log: Final = log

    def decode(self, outgoing: Outgoing) -> Command:
        """The command.

        Raises:
            CodecError, UnknownCommand: it can't be read.
        """
        return self._surroundings.commands.decode(outgoing.command)

    async def dispatch(self, outgoing: Outgoing, command: Command) -> Answer:
        """Have it decided, under its identifier.

        Raises:
            Exception: it could not be decided, or not be stored.
        """
        metadata = {BECAUSE: str(outgoing.because), MANAGER: self._kind.category, INSTANCE: self._id}
        try:
            return await self._surroundings.dispatch(
                command,
                id=outgoing.id,
                correlation=outgoing.correlation,
                metadata=metadata,
                timeout=self._kind.timeout,
            )
        except Rejected as rejection:
            return rejection

    def answered(
        self, outgoing: Outgoing, command: Command, answer: Answer, left: Sequence[Outgoing], settled: list[Settled]
    ) -> Draft | None:
        """The step upon how a command ended; None if the instance has no method for it.

        Args:
            outgoing: the command.
            command: the same, decoded.
            answer: how it ended.
            left: the commands that still wait.
            settled: those that don't since the last step. This one is added to them.

        Raises:
            Exception: what the method raises. The instance may have followed half of it.
        """
        settled.append(Settled(outgoing.id, refusal(answer)))
        if isinstance(answer, Rejected):
            kind, reaction = "rejected", self._log.manager.react_to_rejection(command, answer)
        else:
            kind, reaction = "accepted", self._log.manager.react_to_acceptance(command, answer)
        if reaction.ignored:
            return None
        trigger = Trigger.command(outgoing)
        return self._log.next().reacted(self._log.manager, reaction, trigger, kind, pending=left, settled=settled)


def refusal(answer: Answer) -> str | None:
    """Why a command had no effect; None if it had."""
    return str(answer) or "rejected" if isinstance(answer, Rejected) else None


def is_void(answer: Answer) -> bool:
    """Whether a command had no effect, which is stored in such a way that it never has one afterwards."""
    return isinstance(answer, Rejected) or not answer.events
