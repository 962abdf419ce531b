"""How processes end."""

from __future__ import annotations

import enum
from typing import TypeAlias


class Exit(enum.Enum):
    """An end that is no crash."""

    NORMAL = "normal"
    """The process had nothing more to do."""
    SHUTDOWN = "shutdown"
    """Its supervisor or its system asked it to go."""
    KILLED = "killed"
    """It was ended from outside without being asked."""
    NO_PROCESS = "no such process"
    """It was dead already when somebody began to watch it."""


Reason: TypeAlias = Exit | BaseException
"""Why a process ended: one of `Exit`, or what it raised."""


def is_abnormal(reason: Reason) -> bool:
    """Whether a process that ended so should come back if it is `transient`."""
    return reason not in (Exit.NORMAL, Exit.SHUTDOWN)


def describe(reason: Reason) -> str:
    """The reason in a few words, for messages and logs."""
    return reason.value if isinstance(reason, Exit) else f"{type(reason).__name__}: {reason}"
