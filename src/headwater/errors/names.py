"""Names in the message of an error."""

from __future__ import annotations

from collections.abc import Sequence


def one_of(names: Sequence[str], limit: int = 8) -> str:
    """Names for an error message: «a, b, c … (12 more)», or «none»."""
    if not names:
        return "none"
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} … ({len(names) - limit} more)"
