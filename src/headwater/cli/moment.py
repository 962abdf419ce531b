"""Moments as they are written on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from headwater.errors import HeadwaterError
from headwater.sourcing.timetravel import Moment
from headwater.types import Position, Version


class NotAMoment(HeadwaterError):
    """The text names no moment."""


def parse_moment(text: str) -> Moment:
    """`version:7`, `position:100`, or an ISO 8601 date and time (UTC if it has no time zone).

    Raises:
        NotAMoment: it is none of these.
    """
    kind, _, number = text.partition(":")
    if kind == "version" and number.isdecimal():
        return Version(int(number))
    if kind == "position" and number.isdecimal():
        return Position(int(number))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotAMoment(
            f"{text!r} is no moment: write version:7, position:100, or a time such as 2026-05-02T02:40:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
