"""Where a handler begins, as it is written on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from headwater.cli.moment import NotAMoment
from headwater.store.subscription_start import Start, StartFrom


def parse_start(text: str) -> StartFrom:
    """`origin`, `head`, a position, or an ISO 8601 date and time (UTC if it has no time zone).

    Raises:
        NotAMoment: it is none of these.
    """
    if text == "origin":
        return Start.ORIGIN
    if text == "head":
        return Start.HEAD
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotAMoment(
            f"{text!r} is no place to begin: write origin, head, a position, or a time such as 2026-05-02T02:40:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
