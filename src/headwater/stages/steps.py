"""Work that calls handlers which may be sync or async. Pure."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from types import CoroutineType
from typing import TypeAlias

Steps: TypeAlias = Generator[object, object, None]
"""Work in steps: it yields what a handler returned, and is sent its result: the same, or what it was awaited to."""


def take(steps: Steps) -> Coroutine[object, object, None] | None:
    """Do the work. Returns a coroutine that does the rest, if a handler is async; None when it is done.

    Raises:
        Exception: what a handler raised.
    """
    try:
        outcome = next(steps)
        while type(outcome) is not CoroutineType:
            outcome = steps.send(outcome)
    except StopIteration:
        return None
    return _take_rest(steps, outcome)


async def _take_rest(steps: Steps, outcome: object) -> None:
    try:
        while True:
            outcome = steps.send(await outcome if isinstance(outcome, Coroutine) else outcome)
    except StopIteration:
        return
