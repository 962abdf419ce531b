"""The object that handles events, and its hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import CoroutineType
from typing import Final, TypeAlias

from headwater.cqrs.event_handler import Dispatching, EventHandler

HandlerDefinition: TypeAlias = type[EventHandler] | EventHandler
"""A handler's class, of which an object is made at each start; or an object that was made with what it needs."""

_log: Final = logging.getLogger("headwater.cqrs")


def class_of(definition: HandlerDefinition) -> type[EventHandler]:
    """The handler's class."""
    return definition if isinstance(definition, type) else type(definition)


def made(definition: HandlerDefinition, application: Dispatching) -> EventHandler:
    """The object, bound to its application."""
    handler = definition() if isinstance(definition, type) else definition
    handler.bind(application)
    return handler


async def run_hook(hook: Callable[[], object]) -> None:
    """Call a hook that may be async."""
    outcome = hook()
    if type(outcome) is CoroutineType:
        await outcome


async def finish(handler: EventHandler) -> None:
    """Let it give back what it has set up."""
    try:
        await run_hook(handler.close)
    except Exception:  # noqa: BLE001 - nobody uses it any more
        _log.exception("close of handler %r raised", handler.handler)
