"""Children: what a supervisor knows about the processes that it starts."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, Literal

import msgspec
from msgspec import UNSET, UnsetType

from headwater.errors import DefinitionError
from headwater.runtime.genserver import GenServer, is_server
from headwater.runtime.message import NOTHING
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.restart import RESTARTS, Restart
from headwater.runtime.shutdown import ShutdownForm, checked
from headwater.runtime.spawn import spawn
from headwater.runtime.supervising import Supervising

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    ServerT_co = TypeVar("ServerT_co", bound=GenServer, covariant=True, default=GenServer)
else:
    from typing import TypeVar

    ServerT_co = TypeVar("ServerT_co", bound=GenServer, covariant=True)

Value = typing.TypeVar("Value")

Kind = Literal["worker", "supervisor"]
ChildState = Literal["running", "restarting", "stopped"]
"""`restarting`: it ended, and its back-off or its next try is under way. `stopped`: it doesn't come back by itself."""


class Child(Generic[ServerT_co]):
    """What a supervisor needs to know to start a process, and to start it again.

        Child(Ledger, "eur", name="ledger", restart="transient", shutdown=2.0)

    Args:
        server: the process's class.
        arguments: for its `init`, each time it starts.
        id: what the supervisor knows it by; its name, or its class's name, if not given.
        name: the process's name in the system, or None.
        restart: `permanent`, `transient` or `temporary`; as its class says, if not given.
        shutdown: how it is ended: seconds that it may take when asked, None for ever, or `kill`; as its class says,
            if not given.
        significant: whether its own end may end its supervisor; see `Supervisor.auto_shutdown`. Not for `permanent`.
        capacity: how many messages may wait in its mailbox; as its class says, if not given.
        timeout: seconds that its `init` may take, if it is async; None waits for ever.
        keywords: keyword arguments for its `init`.

    Raises:
        DefinitionError: one of them is not what it should be.
    """

    __slots__ = (
        "_id",
        "arguments",
        "capacity",
        "keywords",
        "name",
        "restart",
        "server",
        "shutdown",
        "significant",
        "timeout",
    )

    def __init__(
        self,
        server: type[ServerT_co],
        *arguments: object,
        id: str | None = None,  # noqa: A002 - the field's term
        name: str | None = None,
        restart: Restart | None = None,
        shutdown: ShutdownForm | UnsetType = UNSET,
        significant: bool = False,
        capacity: int | None = None,
        timeout: float | None = None,
        keywords: Mapping[str, object] = NOTHING,
    ) -> None:
        if not is_server(server):
            raise DefinitionError(f"a child is a subclass of GenServer, not {server!r}")
        self.server = server
        self.arguments = arguments
        self._id = id
        self.name = name
        self.restart = _checked_restart(server.restart if restart is None else restart)
        self.shutdown = checked(server.shutdown if shutdown is UNSET else shutdown)
        if significant and self.restart == "permanent":
            raise DefinitionError("a permanent child always comes back, so it can't be significant")
        self.significant = significant
        self.capacity = capacity
        self.timeout = timeout
        self.keywords = keywords

    @property
    def id(self) -> str:
        """What the supervisor knows it by."""
        return self._id or self.name or self.server.__qualname__

    @property
    def kind(self) -> Kind:
        """Whether it is a supervisor itself."""
        return "supervisor" if issubclass(self.server, Supervising) else "worker"

    def override(
        self,
        *,
        arguments: tuple[object, ...] | UnsetType = UNSET,
        id: str | UnsetType | None = UNSET,  # noqa: A002 - the field's term
        name: str | UnsetType | None = UNSET,
        restart: Restart | UnsetType = UNSET,
        shutdown: ShutdownForm | UnsetType = UNSET,
        significant: bool | UnsetType = UNSET,
        capacity: int | UnsetType | None = UNSET,
        timeout: float | UnsetType | None = UNSET,
    ) -> Child[ServerT_co]:
        """The same child, with some of it changed. The parameters are those of `Child`.

        Raises:
            DefinitionError: one of them is not what it should be.
        """
        return Child(
            self.server,
            *_either(arguments, self.arguments),
            id=_either(id, self._id),
            name=_either(name, self.name),
            restart=_either(restart, self.restart),
            shutdown=_either(shutdown, self.shutdown),
            significant=_either(significant, self.significant),
            capacity=_either(capacity, self.capacity),
            timeout=_either(timeout, self.timeout),
            keywords=self.keywords,
        )

    async def spawn(self, parent: Process, extra: tuple[object, ...] = ()) -> Process:
        """Start the process. Used by supervisors.

        Args:
            parent: the supervisor.
            extra: arguments that come before the child's own.

        Raises:
            StartFailed, StartIgnored, NameTaken: as `spawn.spawn` does.
        """
        return await spawn(
            parent.node,
            self.server,
            (*extra, *self.arguments),
            self.keywords,
            name=self.name,
            capacity=self.capacity,
            timeout=self.timeout,
            parent=parent,
        )


class ChildInfo(msgspec.Struct, frozen=True):
    """A child as it stands now.

    Attributes:
        id: what the supervisor knows it by.
        pid: its address, or None when no process stands there now.
        restart: its type.
        restarts: how often it was started again, failed attempts included.
        kind: whether it is a supervisor itself.
        state: whether it runs, and if not, whether it comes back by itself.
    """

    id: str
    pid: Pid[object] | None
    restart: Restart
    restarts: int
    kind: Kind
    state: ChildState


class ChildCounts(msgspec.Struct, frozen=True):
    """How many children a supervisor has.

    Attributes:
        specs: all of them, living or not.
        active: those that run.
        supervisors: those of all that are supervisors themselves.
        workers: the others.
    """

    specs: int
    active: int
    supervisors: int
    workers: int


def _checked_restart(restart: Restart) -> Restart:
    if restart not in RESTARTS:
        raise DefinitionError(f"restart is one of {', '.join(RESTARTS)}, not {restart!r}")
    return restart


def _either(given: Value | UnsetType, present: Value) -> Value:
    return present if given is UNSET else given
