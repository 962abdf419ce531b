"""What every command passes through, on its way in and on its way back."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Container, Sequence
from typing import Final

from headwater.cqrs.committed import Committed
from headwater.cqrs.envelope import Envelope
from headwater.errors import CommandFailed, HeadwaterError
from headwater.sourcing.messages import Command

_log: Final = logging.getLogger("headwater.cqrs")


class Middleware:
    """Base of what stands between callers and aggregates: checks, enrichment, audit. Override what you need.

        class Authorised(Middleware):
            def before(self, envelope: Envelope) -> Envelope:
                if "user" not in (envelope.metadata or {}):
                    raise Rejected("who are you?", reason="anonymous")
                return envelope.with_metadata(checked=True)

    Each method may be sync or async. Of several, the first one's `before` runs first, and its `after` or `failed` last.
    One object serves all commands, many of them at a time.
    """

    def before(self, envelope: Envelope) -> object:
        """A command comes in. Return the envelope to go on with, or None for the same one; raise to refuse it.

        May be async. Whatever is raised goes to the caller: a `HeadwaterError`, such as `Rejected`, as it is, anything
        else as the cause of a `CommandFailed`.
        """
        return None

    def after(self, envelope: Envelope, committed: Committed) -> object:
        """A command's events are durable. May be async. What is raised is logged: the command has had its effect."""
        return None

    def failed(self, envelope: Envelope, error: HeadwaterError) -> object:
        """A command was rejected or failed, behind this one's `before`. May be async. What is raised is logged."""
        return None


class ForCommands(Middleware):
    """Middleware that only some commands pass through.

    Args:
        middleware: what they pass through.
        commands: the classes of those that do.
    """

    def __init__(self, middleware: Middleware, commands: Container[type[Command]]) -> None:
        self.middleware: Final = middleware
        self._commands: Final = commands

    def before(self, envelope: Envelope) -> object:
        """See `Middleware.before`."""
        return self.middleware.before(envelope) if type(envelope.command) in self._commands else None

    def after(self, envelope: Envelope, committed: Committed) -> object:
        """See `Middleware.after`."""
        return self.middleware.after(envelope, committed) if type(envelope.command) in self._commands else None

    def failed(self, envelope: Envelope, error: HeadwaterError) -> object:
        """See `Middleware.failed`."""
        return self.middleware.failed(envelope, error) if type(envelope.command) in self._commands else None


class Passage:
    """One command's way through the middleware.

    Args:
        chain: the middleware, in its order.
        envelope: the command.

    Attributes:
        envelope: as the middleware has left it.
    """

    def __init__(self, chain: Sequence[Middleware], envelope: Envelope) -> None:
        self.envelope = envelope
        self._chain = chain
        self._entered: list[Middleware] = []

    async def enter(self) -> Envelope:
        """Run every `before`.

        Raises:
            HeadwaterError: one has refused the command.
        """
        for middleware in self._chain:
            try:
                found = middleware.before(self.envelope)
                found = await found if inspect.isawaitable(found) else found
            except HeadwaterError:
                raise
            except Exception as error:
                raise CommandFailed(f"{_name(middleware)}.before failed: {type(error).__name__}: {error}") from error
            if found is not None and not isinstance(found, Envelope):
                raise CommandFailed(f"{_name(middleware)}.before gave {found!r}, which is neither an Envelope nor None")
            self.envelope = found or self.envelope
            self._entered.append(middleware)
        return self.envelope

    async def leave(self, result: Committed | HeadwaterError) -> None:
        """Run the `after`, or the `failed`, of those whose `before` has let the command through."""
        for middleware in reversed(self._entered):
            try:
                if isinstance(result, Committed):
                    found = middleware.after(self.envelope, result)
                else:
                    found = middleware.failed(self.envelope, result)
                if inspect.isawaitable(found):
                    await found
            except Exception:  # noqa: BLE001 - the command has ended, whatever is thought of it
                _log.exception("%s raised after a %s", _name(middleware), type(self.envelope.command).__qualname__)


def _name(middleware: Middleware) -> str:
    return type(middleware.middleware if isinstance(middleware, ForCommands) else middleware).__qualname__
