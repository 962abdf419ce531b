"""The parts of an application, made to fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headwater.codec import Codec, TypeRegistry
from headwater.cqrs.blueprint import Blueprint
from headwater.cqrs.failure import Parking
from headwater.cqrs.handlers import HandlerRegistry
from headwater.cqrs.reactions import Reactions
from headwater.cqrs.router import CommandRouter
from headwater.sourcing.messages import Event


class Parts:
    """What a blueprint says, in the hands of those who do it.

    Args:
        blueprint: the parts.
        parking: where process managers leave what they can't handle.

    Attributes:
        blueprint: the same.
        handlers: which event handlers there are.
        commands: who decides a command.
        reactions: process managers and timers.
        codec: knows the classes of all events.

    Raises:
        DefinitionError: two don't fit together, see `Application`.
        BrokenUpcasters: the upcasters leave a hole, lead nowhere or round in a circle.
    """

    def __init__(self, blueprint: Blueprint, parking: Parking | None) -> None:
        self.blueprint: Final = blueprint
        self.handlers: Final = HandlerRegistry(blueprint.handlers)
        self.commands: Final = CommandRouter(blueprint.aggregates, blueprint.models)
        self.reactions: Final = self._reactions(parking)
        self.codec: Final = Codec(self._types(), blueprint.upcasters)
        self.codec.check_upcasters()

    def _reactions(self, parking: Parking | None) -> Reactions:
        categories = [aggregate.category for aggregate in self.blueprint.aggregates]
        handlers = [handler.handler for handler in self.handlers.classes]
        return Reactions(self.blueprint.process_managers, self.commands.commands(), categories, parking, handlers)

    def _types(self) -> TypeRegistry:
        registry = TypeRegistry()
        for event in self._events():
            registry.register(event, event.type_name, event.tagger)
        return registry

    def _events(self) -> Iterator[type[Event]]:
        for deciding in (*self.blueprint.aggregates, *self.blueprint.models):
            yield from deciding.events()
        for projection in self.blueprint.projections:
            yield from projection.events()
        yield from self.blueprint.events
        yield from self.handlers.events()
        yield from self.reactions.events()
