"""What there is to know of one process, as a value."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import msgspec

from headwater.runtime.introspect_client import where
from headwater.runtime.introspect_monitor import Monitor
from headwater.runtime.node import Node
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.states import STATES
from headwater.runtime.ties import Ties


class ProcessInfo(msgspec.Struct, frozen=True):
    """A process at one moment.

    Attributes:
        pid: its address.
        label: what it is called in messages and logs.
        name: its name, or None.
        server: its class.
        state: `idle`, `queued` (it waits for its turn), `running`, `awaiting` (an async method is suspended), `ended`.
        suspended: whether its messages have to wait until it is resumed.
        waiting: how many messages wait.
        links: the processes that it is linked to, in the order in which they were linked.
        monitors: the processes that it monitors.
        watched_by: the processes that monitor it.
        parent: the process that started it and is linked to it, if any.
        ancestors: that one, its parent, and so on.
        handled: how many messages it has taken up.
        dropped: how many its full mailbox refused or dropped.
        expired: how many calls were dropped because their callers had given up.
        started: when it was started, in seconds of the system's monotonic clock.
        method: the async method that is suspended, if any.
        place: where in the code it is suspended, innermost first, if it is.
        memory: bytes that it takes itself, its mailbox and its server's attributes included, but not their values.
    """

    pid: Pid[object]
    label: str
    name: str | None
    server: type
    state: str
    suspended: bool
    waiting: int
    links: tuple[Pid[object], ...]
    monitors: tuple[Pid[object], ...]
    watched_by: tuple[Pid[object], ...]
    parent: Pid[object] | None
    ancestors: tuple[Pid[object], ...]
    handled: int
    dropped: int
    expired: int
    started: float
    method: str | None
    place: str | None
    memory: int


def info(pid: Pid[object]) -> ProcessInfo:
    """What there is to know of the process now: at once, however busy it is, and also after its end."""
    process = pid.process
    mailbox, task, running = process.mailbox, process.task, process.running
    ancestors = tuple(_ancestors(process))
    return ProcessInfo(
        pid=Pid(process),
        label=process.label,
        name=process.name,
        server=type(process.server),
        state=STATES[process.state],
        suspended=process.suspended,
        waiting=len(mailbox),
        links=_pids(process.links or ()),
        monitors=_pids((process.monitors or {}).values()),
        watched_by=_pids(
            watcher.owner for watcher in (process.watchers or {}).values() if isinstance(watcher, Monitor)
        ),
        parent=ancestors[0] if ancestors else None,
        ancestors=ancestors,
        handled=process.handled,
        dropped=mailbox.dropped,
        expired=process.expired,
        started=process.started,
        method=None if running is None else running[0].name,
        place=None if task is None else where(task),
        memory=_memory(process),
    )


def processes(node: Node) -> tuple[Pid[object], ...]:
    """The addresses of all living processes, oldest first. A system's node is `System.node`."""
    return _pids(process for process in node.processes if isinstance(process, Process))


def _pids(several: Iterable[Ties]) -> tuple[Pid[object], ...]:
    return tuple(Pid(process) for process in several if isinstance(process, Process))


def _ancestors(process: Process) -> Iterator[Pid[object]]:
    parent = process.parent
    while parent is not None:
        yield Pid(parent)
        parent = parent.parent


def _memory(process: Process) -> int:
    parts = (process, process.mailbox, process.server, getattr(process.server, "__dict__", None))
    return sum(sys.getsizeof(part) for part in parts if part is not None)
