"""How a process comes to life."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from headwater.errors import DefinitionError
from headwater.runtime.genserver import GenServer, is_server
from headwater.runtime.handlers import HandlerTable
from headwater.runtime.mailbox import check_mailbox
from headwater.runtime.node import Node
from headwater.runtime.process import Initialising, Process


async def spawn(
    node: Node,
    server: type[GenServer],
    arguments: tuple[object, ...],
    keywords: Mapping[str, object],
    *,
    name: str | None = None,
    capacity: int | None = None,
    timeout: float | None = None,
    parent: Process | None = None,
    debug: Sequence[Callable[[Process], None]] = (),
) -> Process:
    """Start a process and wait until its `init` has finished.

    If the caller is cancelled meanwhile, the process is ended.

    Args:
        node: its surroundings.
        server: its class.
        arguments: for `init`.
        keywords: for `init`.
        name: its name in the system, or None.
        capacity: how many messages may wait in its mailbox; as its class says, if not given.
        timeout: seconds that `init` may take, if it is async; None waits for ever.
        parent: linked to it from the beginning, or None.
        debug: done to the process before its `init`; see `introspect_options`.

    Raises:
        DefinitionError: `server` is no GenServer class.
        NameTaken: a living process has the name; nothing was started.
        StartFailed: `init` raised or took too long; its `__cause__` says what happened.
        StartIgnored: `init` raised it.
    """
    process, init = launch(node, server, arguments, keywords, name, capacity, parent, debug)
    if init is not None:
        await process.await_init(init, timeout)
    return process


def launch(
    node: Node,
    server: type[GenServer],
    arguments: tuple[object, ...],
    keywords: Mapping[str, object],
    name: str | None,
    capacity: int | None,
    parent: Process | None,
    debug: Sequence[Callable[[Process], None]],
) -> tuple[Process, Initialising | None]:
    """The part of `spawn` that needs no `await`. If `init` is async, it is left to be awaited, by `await_init`."""
    handlers = getattr(server, "handlers", None)
    if handlers is None or handlers.server is not server or not handlers.approved:
        handlers = _approved(server)
    if capacity is not None:
        check_mailbox(capacity, server.overflow)
    instance = server()
    room = server.capacity if capacity is None else capacity
    process = Process(node, instance, handlers, room, name=name, parent=parent)
    instance.attach(process)
    for option in debug:
        option(process)
    return process, process.start(instance.init, arguments, keywords)


def _approved(server: type[GenServer]) -> HandlerTable:
    """Look at a class when the first process is started from it."""
    if not is_server(server):
        raise DefinitionError(f"a process is started from a subclass of GenServer, not from {server!r}")
    check_mailbox(server.capacity, server.overflow)
    server.handlers.approved = True
    return server.handlers
