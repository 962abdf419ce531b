"""GenServer: state that one process owns, and methods that others call, cast, or send messages to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, cast

from headwater.errors import InternalError
from headwater.runtime.down import Down
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.handlers import HandlerTable
from headwater.runtime.messages import Info
from headwater.runtime.pid import Pid

if TYPE_CHECKING:
    from headwater.runtime.process import Process
    from headwater.runtime.reply import Deferred

Answer = TypeVar("Answer")

_log: Final = logging.getLogger("headwater.runtime")


class GenServer:
    """A process with state. Subclass it; every public method that you add can be called or cast:

        class Counter(GenServer):
            def init(self, start: int = 0) -> None:
                self.value = start

            def increment(self, by: int = 1) -> int:
                self.value += by
                return self.value

    A method may be sync or async. The process handles one message at a time, in the order of arrival; while an
    async method awaits, the process takes no other. A method that raises ends the process: its caller gets
    `ProcessDown`, its supervisor decides what happens next. The exception is `Rejected`: it goes to the caller
    as an answer, and the process lives on.
    """

    _handlers: ClassVar[HandlerTable]  # set for each subclass
    __process: Process | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._handlers = HandlerTable(cls, _RESERVED)

    # --- what a subclass defines -----------------------------------------------------------------------------

    def init(self, *arguments: Any, **keywords: Any) -> object:  # noqa: ANN401 - so that an override may declare its own
        """Set up the state. May be async. Whoever starts the process waits for it; if it raises, nothing started.

        A subclass declares the parameters that it needs.
        """
        return None

    def handle_info(self, message: object) -> object:
        """Handle a message that was sent, such as `Down`. May be async. By default it is logged and dropped."""
        _log.error("%s got a message that it doesn't handle: %r", self._cell.label, message)
        return None

    def terminate(self, reason: Reason) -> object:
        """Clean up before the end. May be async.

        Runs when the process stops or a method raised; not when it is killed. So it is no place for what must
        happen in any case.
        """
        return None

    # --- what a subclass uses --------------------------------------------------------------------------------

    @property
    def pid(self) -> Pid[Self]:
        """The process's own address, to give to others."""
        return Pid(self._cell)

    def stop(self, reason: Reason = Exit.NORMAL) -> None:
        """End this process when the method that is running has returned. Messages that wait are not handled."""
        self._cell.stop_after_handler(reason)

    def defer(self, answer: type[Answer]) -> Deferred[Answer]:
        """Answer the caller later: return what this returns, and keep it. `answer` is the type of the answer."""
        return cast("Deferred[Answer]", self._cell.defer())

    def monitor(self, pid: Pid[object]) -> int:
        """Receive one `Down` in `handle_info` when the process at `pid` has ended. Returns its number."""
        cell = self._cell
        number = 0

        def report(reason: Reason) -> None:
            cell.signal(Info(Down(number, pid, reason)))

        number = pid.watch(report)
        return number

    @property
    def _cell(self) -> Process:
        if self.__process is None:
            raise InternalError(f"{type(self).__qualname__} is used outside a process; start it in a System")
        return self.__process

    def attach(self, process: Process) -> None:
        """Bind the server to its process. Used once, by the runtime."""
        self.__process = process

    @classmethod
    def handlers(cls) -> HandlerTable:
        """The class's public methods. Used by the runtime."""
        return cls._handlers


_RESERVED: Final = frozenset(name for name in vars(GenServer) if not name.startswith("_"))


def is_server(candidate: object) -> bool:
    """Whether a process can be started from `candidate`: a class below `GenServer`."""
    return isinstance(candidate, type) and issubclass(candidate, GenServer) and candidate is not GenServer
