"""The dead letters that the command line looks after: those of an event handler, or of a process manager."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

import msgspec

from headwater.app import Application
from headwater.cli.handlers import stored_box
from headwater.cli.output import Record
from headwater.cqrs.dead_letter import Letter
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.cqrs.event_handler import EventHandler
from headwater.cqrs.manager_letter import ManagerLetter
from headwater.cqrs.manager_letter_box import ManagerLetterBox
from headwater.cqrs.outgoing import Outgoing
from headwater.cqrs.process_manager import ProcessManager
from headwater.errors import ApplicationError, CodecError, EventNotFound, UnknownHandler, one_of
from headwater.store.store import EventStore

Owner = type[EventHandler] | type[ProcessManager]
AnyLetter = Letter | ManagerLetter


class Box(Protocol):
    """The dead letters of one of both."""

    def replay(self, number: int, /) -> Awaitable[AnyLetter | None]:
        """Try again."""

    def drop(self, number: int, /, reason: str) -> Awaitable[None]:
        """Decide that nothing comes of it."""


def owners(application: Application) -> tuple[Owner, ...]:
    """All that may have dead letters."""
    return (*application.handlers.classes, *application.blueprint.process_managers)


def owner_named(application: Application, name: str) -> Owner:
    """The handler or the process manager of this name.

    Raises:
        UnknownHandler: there is none.
    """
    found = {_name(owner): owner for owner in owners(application)}
    if name not in found:
        raise UnknownHandler(f"there is no handler {name!r}; known: {one_of(list(found))}")
    return found[name]


def open_box(application: Application, owner: Owner) -> Box:
    """The dead letters of an application that was entered."""
    return application.dead_letters(owner)


async def stored_letters(store: EventStore, owner: Owner) -> Sequence[AnyLetter]:
    """The open letters, as they lie in a store."""
    return await _stored(store, owner).list()


async def shown_letter(store: EventStore, owner: Owner, number: int) -> Record:
    """One letter, with what could not be handled."""
    box = _stored(store, owner)
    letter = await box.show(number)
    return {**record(letter), "event": await _event(store, box, letter), "trace": letter.trace}


def number_of(letter: AnyLetter) -> int:
    """What a letter is known by."""
    return letter.position if isinstance(letter, Letter) else letter.number


def record(letter: AnyLetter) -> dict[str, object]:
    """A letter in JSON."""
    fields = msgspec.structs.asdict(letter)
    del fields["trace"]
    return fields


def row(letter: AnyLetter) -> tuple[object, ...]:
    """A letter in a table."""
    when = f"{letter.failed_at:%F %T}"
    if isinstance(letter, Letter):
        return letter.handler, letter.position, letter.stream, letter.event_type, letter.attempts, when, letter.error
    instance = "" if letter.instance is None else f"{letter.manager}-{letter.instance}"
    return letter.manager, letter.number, instance, letter.type, letter.attempts, when, letter.error


def _name(owner: Owner) -> str:
    return owner.category if issubclass(owner, ProcessManager) else owner.handler


def _stored(store: EventStore, owner: Owner) -> DeadLetterBox | ManagerLetterBox:
    if issubclass(owner, ProcessManager):
        return ManagerLetterBox(store, owner.category, _refuse)
    return stored_box(store, owner)


async def _event(store: EventStore, box: DeadLetterBox | ManagerLetterBox, letter: AnyLetter) -> object:
    if letter.position is None:
        return None
    try:
        if isinstance(box, DeadLetterBox):
            found = await box.events(letter.position)
        else:
            found = [one for page in await store.page_all(letter.position - 1, 1) for one in store.unfold(page)]
        parts = [msgspec.to_builtins(recorded.event) for recorded in found]
    except (CodecError, EventNotFound) as error:
        return str(error)
    return parts[0] if len(parts) == 1 else parts


async def _refuse(instance: str | None, outgoing: Outgoing) -> None:
    raise ApplicationError("the store is open for reading only")
