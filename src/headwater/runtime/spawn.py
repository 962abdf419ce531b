"""How a process comes to life."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headwater.errors import DefinitionError
from headwater.runtime.exits import Reason
from headwater.runtime.genserver import GenServer, is_server
from headwater.runtime.node import Node
from headwater.runtime.process import Process


async def spawn(
    node: Node,
    server: type[GenServer],
    arguments: tuple[object, ...],
    keywords: Mapping[str, object],
    *,
    name: str | None,
    capacity: int,
    parent: Callable[[Process, Reason], None],
) -> Process:
    """Start a process and wait until its `init` has finished.

    If the caller is cancelled meanwhile, the process is ended.

    Args:
        node: its surroundings.
        server: its class.
        arguments: for `init`.
        keywords: for `init`.
        name: its name in the system, or None.
        capacity: how many messages may wait in its mailbox.
        parent: told once of its end, after its name was released and its watchers were told; also when `init`
            failed.

    Raises:
        DefinitionError: `server` is no GenServer class.
        NameTaken: a living process has the name; nothing was started.
        StartFailed: `init` raised; its `__cause__` is what it raised.
    """
    if not is_server(server):
        raise DefinitionError(f"a process is started from a subclass of GenServer, not from {server!r}")
    instance = server()
    process = Process(node, instance, server.handlers(), name=name, capacity=capacity, parent=parent)
    instance.attach(process)
    await process.start(lambda: instance.init(*arguments, **keywords))
    return process
