"""A system's processes as a tree: as a value, and as text for terminals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from headwater.runtime.child import ChildInfo
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.states import STATES
from headwater.runtime.system import System

DEPTH: Final = 32
"""Generations that a tree shows, unless told otherwise."""

WIDTH: Final = 50
"""Children of one process that a text shows, unless told otherwise."""


class Branch(msgspec.Struct, frozen=True):
    """A process and those below it.

    Attributes:
        label: what it is called; the child's id, if nothing stands there now.
        pid: its address; None if nothing stands there now.
        state: see `ProcessInfo.state`; `suspended`; or `ended`, if nothing stands there now.
        waiting: how many messages wait.
        handled: how many messages it has taken up.
        restart: when its supervisor brings it back, if it has one.
        restarts: how often its supervisor has started it again.
        children: the processes that it started and is linked to, in the order of their start.
        hidden: how many children are not shown.
    """

    label: str
    pid: Pid[object] | None
    state: str
    waiting: int = 0
    handled: int = 0
    restart: str | None = None
    restarts: int = 0
    children: tuple[Branch, ...] = ()
    hidden: int = 0


class Tree(msgspec.Struct, frozen=True):
    """All processes of a system.

    Attributes:
        system: the system's name.
        processes: how many live.
        roots: those that stand on their own, and what is below them, in the order of their start.
        hidden: how many of those are not shown.
    """

    system: str
    processes: int
    roots: tuple[Branch, ...]
    hidden: int


def tree(system: System, *, depth: int = DEPTH, width: int | None = None) -> Tree:
    """The processes of a system as they stand now; it waits for none of them.

    Args:
        system: the system. It is running.
        depth: how many generations; at least 1, and at most some hundreds, which is what Python's stack bears.
        width: how many children of each process; None shows all.

    Raises:
        ProcessError: the system is not running.
    """
    families: dict[Process | None, list[Process]] = {}
    for process in system.node.processes:
        if isinstance(process, Process):
            families.setdefault(process.parent, []).append(process)
    roots = families.get(None, [])
    shown = tuple(_branch(process, None, families, depth, width) for process in roots[:width])
    return Tree(system.name, len(system.node.processes), shown, len(roots) - len(shown))


def text(of: Tree, *, width: int | None = WIDTH) -> str:
    """The tree as lines, at most `width` children of each process:

    bank: 3 processes
    └─ Bank 'bank' (idle)
       ├─ Ledger 'ledger' (idle, handled 12, restarts 1)
       └─ Reporter #3 (awaiting, waiting 4)
    """
    plural = "" if of.processes == 1 else "es"
    return "\n".join([f"{of.system}: {of.processes} process{plural}", *_lines(of.roots, of.hidden, width)])


def _branch(
    process: Process,
    child: ChildInfo | None,
    families: Mapping[Process | None, Sequence[Process]],
    depth: int,
    width: int | None,
) -> Branch:
    slots = _slots(process, families)
    shown = slots[:width] if depth > 1 else []
    return Branch(
        label=process.label,
        pid=Pid(process),
        state="suspended" if process.suspended else STATES[process.state],
        waiting=len(process.mailbox),
        handled=process.handled,
        restart=None if child is None else child.restart,
        restarts=0 if child is None else child.restarts,
        children=tuple(
            _absent(one) if isinstance(one, ChildInfo) else _branch(*one, families, depth - 1, width) for one in shown
        ),
        hidden=len(slots) - len(shown),
    )


_Slot = tuple[Process, ChildInfo | None]


def _slots(process: Process, families: Mapping[Process | None, Sequence[Process]]) -> list[_Slot | ChildInfo]:
    """The children that live, and those of a supervisor where nothing stands now."""
    known = list(_supervised(process))
    by_process = {child.pid.process: child for child in known if child.pid is not None}
    living: list[_Slot | ChildInfo] = [(one, by_process.get(one)) for one in families.get(process, ())]
    return [*living, *(child for child in known if child.pid is None)]


def _supervised(process: Process) -> Iterator[ChildInfo]:
    which_children = getattr(process.server, "which_children", None)
    if which_children is not None and process.running is None:
        yield from (child for child in which_children() if isinstance(child, ChildInfo))


def _absent(child: ChildInfo) -> Branch:
    return Branch(child.id, None, "ended", restart=child.restart, restarts=child.restarts)


def _lines(branches: Sequence[Branch], hidden: int, width: int | None) -> Iterator[str]:
    shown = branches[:width]
    more = hidden + len(branches) - len(shown)
    for number, branch in enumerate(shown, start=1):
        last = number == len(shown) and not more
        yield f"{'└─' if last else '├─'} {branch.label} ({_facts(branch)})"
        for line in _lines(branch.children, branch.hidden, width):
            yield f"{'   ' if last else '│  '}{line}"
    if more:
        yield f"└─ … {more:,} more"


def _facts(branch: Branch) -> str:
    counted = {"waiting": branch.waiting, "handled": branch.handled, "restarts": branch.restarts}
    return ", ".join([branch.state, *(f"{name} {count}" for name, count in counted.items() if count)])
