"""How a process comes to life."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from weakref import WeakSet

from headwater.errors import DefinitionError
from headwater.runtime.genserver import GenServer, is_server
from headwater.runtime.mailbox import Mailbox, check_mailbox
from headwater.runtime.message import Message
from headwater.runtime.node import Node
from headwater.runtime.process import Process

_KNOWN: Final[WeakSet[type[GenServer]]] = WeakSet()
"""Classes that were found to be in order."""


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
    if server not in _KNOWN:
        _check(server)
    if capacity is not None:
        check_mailbox(capacity, server.overflow)
    instance = server()
    mailbox: Mailbox[Message] = Mailbox(server.capacity if capacity is None else capacity, server.overflow)
    process = Process(node, instance, server.handlers(), mailbox, name=name, parent=parent)
    instance.attach(process)
    for option in debug:
        option(process)
    await process.start(lambda: instance.init(*arguments, **keywords), timeout)
    return process


def _check(server: type[GenServer]) -> None:
    """Look at a class when the first process is started from it."""
    if not is_server(server):
        raise DefinitionError(f"a process is started from a subclass of GenServer, not from {server!r}")
    check_mailbox(server.capacity, server.overflow)
    _KNOWN.add(server)
