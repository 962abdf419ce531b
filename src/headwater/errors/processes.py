"""Processes and supervision."""

from __future__ import annotations

from headwater.errors.base import HeadwaterError


class ProcessError(HeadwaterError):
    """Base of what goes wrong between processes."""


class ProcessDown(ProcessError):
    """The process called is dead, or died before it answered. `reason` tells how it ended."""

    def __init__(self, message: str, /, *, reason: object) -> None:
        super().__init__(message)
        self.reason = reason


class NameUnknown(ProcessError):
    """No living process has this name."""


class NameTaken(ProcessError):
    """A living process has this name already."""


class AlreadyRegistered(NameTaken):
    """A living process is registered under this key already.

    Args:
        message: who, where, and under which key.
        owner: the address of that process, a `Pid`.
    """

    def __init__(self, message: str, /, *, owner: object) -> None:
        super().__init__(message)
        self.owner = owner


class NotOwner(ProcessError):
    """Only the owner may do that: of a task, whoever started it; of a registry's entry, the process itself."""


class TooManyTasks(ProcessError):
    """As many tasks as allowed run, or wait for a worker, already. This one was not started."""


class WorkerDied(ProcessError):
    """The operating system's process that ran a function ended before the function did."""


class StartFailed(ProcessError):
    """A process's `init` raised, or one of a supervisor's children did. `__cause__` is the error itself."""


class StartIgnored(ProcessError):
    """Raised by a process's `init` to say that it is not needed now. Nothing was started, and nothing failed."""


class ChildExists(ProcessError):
    """The supervisor has a child of this id already. Nothing was started."""


class ChildUnknown(ProcessError):
    """The supervisor has no such child."""


class ChildRunning(ProcessError):
    """The child runs, or is about to be restarted, so that it can be neither started nor deleted."""


class ChildLimit(ProcessError):
    """The supervisor has as many children as it may have. Nothing was started."""


class MutableMessage(ProcessError, TypeError):
    """A message holds something mutable; it was not sent. Only raised by a system with frozen messages."""


class MailboxFull(ProcessError):
    """The process has as many unhandled messages as its mailbox may hold. The message was not queued."""


class CallingSelf(ProcessError):
    """A process called itself, which could never be answered."""


class UnknownMethod(ProcessError):
    """The process's class has no such public method."""


class WrongArguments(ProcessError, TypeError):
    """One of the runtime's own processes was asked with arguments that don't fit. Nothing was done, and it lives on."""
