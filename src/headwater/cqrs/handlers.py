"""The event handlers of one application: found by their classes, run by their processes, reset."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec

from headwater.cqrs.dead_letter import LETTER_EVENTS
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.cqrs.event_handler import Dispatching, EventHandler
from headwater.cqrs.handler_instance import HandlerDefinition, class_of, finish, made, run_hook
from headwater.cqrs.handler_process import HandlerProcess, HandlerStatus
from headwater.errors import DefinitionError, UnknownHandler, one_of
from headwater.runtime.child import Child
from headwater.runtime.pid import Pid
from headwater.runtime.strategy import OneForOne
from headwater.runtime.supervisor import Supervisor
from headwater.runtime.system import System
from headwater.sourcing.messages import Event
from headwater.store.model import Recorded
from headwater.store.store import EventStore
from headwater.store.subscription_start import StartFrom, end_of

RESTARTS: Final = 10
"""How many ends of handlers' processes within 5 seconds are bearable. They don't end by what handlers do."""

GRACE: Final = 5.0
"""Seconds that a handler's process may take, besides its `shutdown`, to end."""


class HandlerRegistry:
    """Finds an application's handlers.

    Args:
        definitions: their classes, or objects of them.

    Attributes:
        classes: their classes, in the order in which they were given.

    Raises:
        DefinitionError: one is no event handler, has no name, or has that of another.
    """

    def __init__(self, definitions: Iterable[HandlerDefinition]) -> None:
        self.definitions: dict[str, HandlerDefinition] = {}
        for definition in definitions:
            kind = class_of(definition)
            if not issubclass(kind, EventHandler):
                raise DefinitionError(f"a handler is a subclass of EventHandler, not {kind.__qualname__}")
            if not kind.handler:
                raise DefinitionError(f'{kind.__qualname__} has no name: class {kind.__name__}(…, name="…")')
            other = self.definitions.get(kind.handler)
            if other is not None:
                raise DefinitionError(
                    f"{class_of(other).__qualname__} and {kind.__qualname__} are both called {kind.handler!r}"
                )
            self.definitions[kind.handler] = definition
        self.classes: tuple[type[EventHandler], ...] = tuple(map(class_of, self.definitions.values()))

    def check(self, handler: type[EventHandler]) -> None:
        """Raise UnknownHandler unless the handler is one of the application's."""
        if handler not in self.classes:
            raise UnknownHandler(
                f"{handler.__qualname__} is no handler of this application; known: {one_of(list(self.definitions))}"
            )

    def events(self) -> tuple[type[Event], ...]:
        """The events that they handle, and those that are put into the log about them."""
        handled = [event for handler in self.classes for event in handler.events()]
        return (*handled, *LETTER_EVENTS) if self.classes else ()

    def named(self, name: str) -> type[EventHandler]:
        """The handler of this name.

        Raises:
            UnknownHandler: there is none.
        """
        definition = self.definitions.get(name)
        if definition is None:
            raise UnknownHandler(f"there is no handler {name!r}; known: {one_of(list(self.definitions))}")
        return class_of(definition)


class Handlers:
    """The handlers of an application that was entered.

    Args:
        registry: which there are.
        system: where their processes run.
        store: where the log is.
        application: what they are given.
    """

    def __init__(self, registry: HandlerRegistry, system: System, store: EventStore, application: Dispatching) -> None:
        self._registry = registry
        self._system = system
        self._store = store
        self._application = application
        self._boxes = {
            kind.handler: DeadLetterBox(store, kind.handler, self._handling(kind), kind.max_parked)
            for kind in registry.classes
        }

    async def start(self, *, run: bool) -> None:
        """Start their processes.

        Args:
            run: whether they handle events; if not, they stand paused.
        """
        if self._registry.classes:
            await self._system.start(Supervisor, self._children(run), strategy=OneForOne(RESTARTS, 5.0))

    async def drain(self) -> None:
        """Let all of them finish what is under way, each within its `shutdown`; none handles anything after that."""
        await asyncio.gather(*(self.pause(kind) for kind in self._registry.classes))

    def process(self, handler: type[EventHandler]) -> Pid[HandlerProcess]:
        """The process of a handler.

        Raises:
            UnknownHandler: the application has no such handler.
        """
        self._registry.check(handler)
        return self._system.named(HandlerProcess, handler.subscription())

    def box(self, handler: type[EventHandler]) -> DeadLetterBox:
        """The dead letters of a handler.

        Raises:
            UnknownHandler: the application has no such handler.
        """
        self._registry.check(handler)
        return self._boxes[handler.handler]

    async def pause(self, handler: type[EventHandler]) -> bool:
        """Finish what is under way, and handle nothing more until it is resumed. Returns whether it ran."""
        return await self.process(handler).within(None).call(HandlerProcess.pause)

    async def resume(self, handler: type[EventHandler]) -> None:
        """Go on with a handler that has stopped, was paused, or backs off."""
        await self.process(handler).call(HandlerProcess.resume)

    async def status(self) -> list[HandlerStatus]:
        """How they are doing, in the order in which they were given."""
        return [await self._status(kind) for kind in self._registry.classes]

    async def reset(self, handler: type[EventHandler], to: StartFrom) -> None:
        """Let a handler begin anew; see `Application.reset_handler`."""
        pid = self.process(handler)
        ran = await self.pause(handler)
        try:
            place = await reset_handler(self._store, self._registry.definitions[handler.handler], to, self._application)
            await pid.call(HandlerProcess.moved, place)
        finally:
            if ran:
                await self.resume(handler)

    async def _status(self, handler: type[EventHandler]) -> HandlerStatus:
        status = await self.process(handler).call(HandlerProcess.status)
        position = status.position
        if status.state != "running":
            info = await self._store.subscription_info(handler.subscription())
            position = 0 if info is None else info.checkpoint
        lag = max(0, await end_of(self._store, handler.stream) - position)
        return msgspec.structs.replace(status, position=position, lag=lag)

    def _children(self, run: bool) -> list[Child]:
        return [
            Child(
                HandlerProcess,
                self._store,
                definition,
                self._boxes[name],
                self._application,
                run,
                name=class_of(definition).subscription(),
                shutdown=class_of(definition).shutdown + GRACE,
            )
            for name, definition in self._registry.definitions.items()
        ]

    def _handling(self, kind: type[EventHandler]) -> _Once:
        return _Once(self, kind, self._registry.definitions[kind.handler], self._application)

    async def instance(self, handler: type[EventHandler]) -> EventHandler | None:
        """The object of a handler that handles events now."""
        return await self.process(handler).call(HandlerProcess.instance)


class _Once:
    """Gives an event to a handler: to the object that handles events now, or to one made for it."""

    def __init__(
        self, handlers: Handlers, kind: type[EventHandler], definition: HandlerDefinition, application: Dispatching
    ) -> None:
        self._handlers = handlers
        self._kind = kind
        self._definition = definition
        self._application = application

    async def __call__(self, recorded: Recorded) -> None:
        running = await self._handlers.instance(self._kind)
        handler = running or made(self._definition, self._application)
        if running is None:
            await run_hook(handler.init)
        try:
            if handler.wants(recorded):
                await run_hook(lambda: handler.handle_one(recorded))
        finally:
            if running is None:
                await finish(handler)


async def reset_handler(
    store: EventStore, definition: HandlerDefinition, to: StartFrom, application: Dispatching
) -> int:
    """Let a handler that doesn't run begin anew at a place, behind its `before_reset`. Returns the place.

    Raises:
        SubscriptionNotFound: it has never run. Nothing was changed, and `before_reset` wasn't called.
        SubscriptionTaken: another process has it. Likewise.
        InvalidSubscription: it can't begin there.
    """
    name = class_of(definition).subscription()
    info = await store.subscription_info(name)
    if info is not None and info.owner is None:
        await run_hook(made(definition, application).before_reset)
    return (await store.reset_subscription(name, to)).checkpoint
