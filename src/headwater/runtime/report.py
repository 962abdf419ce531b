"""What a supervisor writes into the log."""

from __future__ import annotations

import logging
from typing import Final, Literal

import msgspec

from headwater.runtime.exits import Reason, describe

_log: Final = logging.getLogger("headwater.supervisor")

ReportKind = Literal["started", "ignored", "crashed", "restarting", "start failed", "killed", "gave up", "shut down"]
"""`started`, `ignored`: a child came up, or wasn't needed. `crashed`: it ended abnormally. `restarting`: it is to come
back. `start failed`: it could not. `killed`: it didn't end in time. `gave up`: more restarts than the strategy bears.
`shut down`: a significant child ended."""

_LEVELS: Final[dict[ReportKind, int]] = {
    "started": logging.INFO,
    "ignored": logging.INFO,
    "crashed": logging.ERROR,
    "restarting": logging.WARNING,
    "start failed": logging.ERROR,
    "killed": logging.ERROR,
    "gave up": logging.ERROR,
    "shut down": logging.INFO,
}


class SupervisorReport(msgspec.Struct, frozen=True):
    """One report: the log record of `headwater.supervisor` has it as `record.supervision`.

    Attributes:
        kind: what has happened.
        supervisor: what the supervisor is called.
        child: the child's id.
        reason: why the child ended or could not start, if it did.
        restarts: how often the child was started again so far.
    """

    kind: ReportKind
    supervisor: str
    child: str
    reason: Reason | None
    restarts: int


def report(kind: ReportKind, supervisor: str, child: str, restarts: int = 0, reason: Reason | None = None) -> None:
    """Write one report, if its level is wanted."""
    level = _LEVELS[kind]
    if not _log.isEnabledFor(level):
        return
    content = SupervisorReport(kind, supervisor, child, reason, restarts)
    why = "" if reason is None else f" ({describe(reason)})"
    _log.log(level, "%s: child %r %s%s", supervisor, child, _PHRASES[kind], why, extra={"supervision": content})


_PHRASES: Final[dict[ReportKind, str]] = {
    "started": "started",
    "ignored": "is not needed",
    "crashed": "crashed",
    "restarting": "is restarted",
    "start failed": "could not start",
    "killed": "did not end in time and was killed",
    "gave up": "needed more restarts than the strategy bears; giving up",
    "shut down": "was significant and has ended; shutting down",
}
