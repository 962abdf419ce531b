"""What all supervisors are."""

from __future__ import annotations

import logging
from typing import ClassVar, Final

from headwater.errors import DefinitionError
from headwater.runtime.genserver import GenServer
from headwater.runtime.guarded import GuardedHandlers
from headwater.runtime.process import Process
from headwater.runtime.shutdown import ShutdownForm

_log: Final = logging.getLogger("headwater.supervisor")


class Supervising(GenServer):
    """A process that starts and ends others. Subclass `Supervisor`, `DynamicSupervisor` or `PartitionSupervisor`.

    After its start a supervisor runs no code of the application, so none can break it. A subclass of yours may
    define `children` and class attributes; it is refused if it defines another method that could be called, or
    that the runtime would run.
    """

    trap_exit = True
    shutdown: ClassVar[ShutdownForm] = None

    def __init_subclass__(cls, *, adds_methods: bool = False) -> None:
        """Check the class.

        Args:
            adds_methods: whether it is one of the runtime's own supervisors, which may have methods.

        Raises:
            DefinitionError: it has methods, and may not.
        """
        super().__init_subclass__()
        if not adds_methods:
            _check_methods(cls)
        cls.handlers = GuardedHandlers(cls, _RESERVED)


_RESERVED: Final = frozenset({name for name in vars(GenServer) if not name.startswith("_")} | {"children"})


def log_stray(supervisor: Process, message: object) -> None:
    """Log a message that a supervisor has no use for."""
    _log.error("%s got a message that is none of its business: %r", supervisor.label, message)


def _check_methods(supervisor: type[Supervising]) -> None:
    for name, member in vars(supervisor).items():
        if callable(member) and not name.startswith("_") and name != "children" and not isinstance(member, type):
            raise DefinitionError(
                f"{supervisor.__qualname__}.{name}: a supervisor runs no code of yours besides `children`; "
                "put the method into a process of its own, or make it a function"
            )
