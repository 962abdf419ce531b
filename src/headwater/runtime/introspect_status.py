"""How a process stands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from headwater.runtime.introspect_options import receivers
from headwater.runtime.introspect_state import attributes
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process


class Status(msgspec.Struct, frozen=True):
    """A process as it stands.

    Attributes:
        pid: its address.
        server: its class.
        suspended: whether it handles messages now, or has them wait.
        parent: the process that started it and is linked to it, if any.
        debug: what was switched on for it: the names of its receivers of events.
        state: the server's attributes, as its `format_crash` lets them be seen.
    """

    pid: Pid[object]
    server: type
    suspended: bool
    parent: Pid[object] | None
    debug: tuple[str, ...]
    state: Mapping[str, object]


def status_of(process: Process) -> Status:
    """The process as it stands now."""
    return Status(
        pid=Pid(process),
        server=type(process.server),
        suspended=process.suspended,
        parent=None if process.parent is None else Pid(process.parent),
        debug=tuple(getattr(receive, "__name__", type(receive).__name__) for receive in receivers(process)),
        state=_redacted(process),
    )


def _redacted(process: Process) -> Mapping[str, object]:
    report: Mapping[str, object] = {
        "process": process.label,
        "reason": "status",
        "message": "none",
        "state": attributes(process.server),
    }
    state = process.server.format_crash(report).get("state", {})
    return state if isinstance(state, Mapping) else MappingProxyType({"state": state})
