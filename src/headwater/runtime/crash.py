"""What is logged when a process crashes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, Protocol

from headwater.runtime.exits import Reason, describe
from headwater.runtime.introspect_client import client_of
from headwater.runtime.introspect_state import attributes, shorten, spoken
from headwater.runtime.message import Message, arguments_of

_log: Final = logging.getLogger("headwater.runtime")


class Redacting(Protocol):
    """A server, as far as a crash report has to know it."""

    def format_crash(self, report: Mapping[str, object]) -> Mapping[str, object]:
        """Take out of a crash report what must not be logged."""


def report_crash(label: str, server: Redacting, reason: Reason, message: Message | None) -> None:
    """Log that a process crashed: why, at which message, in what state, and who waited for the answer.

    Args:
        label: what the process is called.
        server: the user's object; it may redact the report.
        reason: why it ends.
        message: what it was handling, if anything.
    """
    report = server.format_crash(
        {
            "process": label,
            "reason": describe(reason),
            "message": _said(message),
            "state": attributes(server),
            "client": "none" if message is None else client_of(message[3]) or "unknown",
        }
    )
    where = "" if message is None else f" in {message[0].name}"
    details = "".join(f"; {name}: {_shown(value)}" for name, value in report.items() if name not in _IN_FRONT)
    error = reason if isinstance(reason, BaseException) else None
    _log.error("%s crashed%s: %s%s", report["process"], where, report["reason"], details, exc_info=error)


_IN_FRONT: Final = ("process", "reason")


def _shown(value: object) -> str:
    return shorten(value if isinstance(value, str) else spoken(value))


def _said(message: Message | None) -> str:
    if message is None:
        return "none"
    arguments, keywords = arguments_of(message)
    words = [*map(spoken, arguments), *(f"{name}={spoken(value)}" for name, value in keywords.items())]
    return f"{message[0].name}({', '.join(words)})"
