"""Why processes end."""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec


class Exit(enum.Enum):
    """An end, or a request to end, that is no crash."""

    NORMAL = "normal"
    """The process had nothing more to do."""
    SHUTDOWN = "shutdown"
    """Its supervisor or its system asked it to go."""
    KILL = "kill"
    """As a request by `Pid.exit`: end now, whatever the process wants. It then ends as `KILLED`."""
    KILLED = "killed"
    """It was ended from outside without being asked."""
    NO_PROCESS = "no such process"
    """It was dead already when somebody linked to it or began to watch it."""


class Shutdown(msgspec.Struct, frozen=True):
    """A `SHUTDOWN` that says more. Supervisors and crash reports treat it like `Exit.SHUTDOWN`.

    Attributes:
        detail: what there is to say.
    """

    detail: object


Reason: TypeAlias = Exit | Shutdown | BaseException
"""Why a process ended: one of `Exit`, a `Shutdown` with details, or what it raised."""


def is_abnormal(reason: Reason) -> bool:
    """Whether a process that ended so should come back if it is `transient`, and is worth a crash report."""
    return not (reason is Exit.NORMAL or reason is Exit.SHUTDOWN or isinstance(reason, Shutdown))


def describe(reason: Reason) -> str:
    """The reason in a few words, for messages and logs."""
    match reason:
        case Exit():
            return reason.value
        case Shutdown(detail):
            return f"shutdown: {detail}"
        case _:
            return f"{type(reason).__name__}: {reason}"
