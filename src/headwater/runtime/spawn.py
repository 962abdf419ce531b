"""How a process comes to life."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from headwater.errors import DefinitionError
from headwater.runtime.genserver import GenServer, is_server
from headwater.runtime.mailbox import Mailbox
from headwater.runtime.node import Node
from headwater.runtime.process import Process


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
    if not is_server(server):
        raise DefinitionError(f"a process is started from a subclass of GenServer, not from {server!r}")
    instance = server()
    mailbox: Mailbox[object] = Mailbox(server.capacity if capacity is None else capacity, server.overflow)
    process = Process(node, instance, server.handlers(), mailbox, name=name, parent=parent)  # type: ignore[arg-type]
    instance.attach(process)
    for option in debug:
        option(process)
    await process.start(lambda: instance.init(*arguments, **keywords), timeout)
    return process
