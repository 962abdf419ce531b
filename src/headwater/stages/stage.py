"""What all stages are: processes that exchange stage messages beside all others."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Final

from headwater.errors import DefinitionError
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.genserver import GenServer
from headwater.runtime.handlers import Handler, HandlerTable
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.stages.steps import Steps, take


class Stage(GenServer):
    """The base of `Producer`, `ProducerConsumer` and `Consumer`, which are what applications subclass.

    A stage is a GenServer: it may have public methods, `handle_info`, `terminate` and all the rest. Messages between
    stages are handled in order with all others, one at a time. They are never refused by a full mailbox: demand bounds
    how many of them there are. Names that begin with `_stage_` belong to the stage.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:  # noqa: ANN401 - for the bases of a subclass
        """Check the class.

        Raises:
            DefinitionError: its mailbox would drop what waits in it.
        """
        super().__init_subclass__(**keywords)
        if cls.overflow == "drop_oldest":
            raise DefinitionError(f"{cls.__qualname__}: a stage's mailbox can't drop_oldest: events would be lost")
        cls.handlers = HandlerTable(cls, _RESERVED)
        cls.handlers.known[_RECEIVE] = handler = Handler("receive_from_stage", cls.receive_from_stage)
        handler.is_sync = False  # it may give the rest of its work as a coroutine

    _machinery: ClassVar[frozenset[str]] = frozenset(
        {"_stage_inflow", "_stage_outflow", "_stage_pending", "_stage_stopping"}
    )
    _stage_stopping = False

    def stop(self, reason: Reason = Exit.NORMAL) -> None:
        """End this stage when the handler that is running has returned. What waits is not handled."""
        self._stage_stopping = True
        super().stop(reason)

    def receive_from_stage(self, message: object) -> Coroutine[object, object, None] | None:
        """Take a stage message; see `messages`. Used by other stages."""
        steps = self._stage_message(message)
        return None if steps is None else take(steps)

    def queue_info(self, message: object) -> None:
        """Have `handle_info` get a message in order with the events, such as a mark of their end.

        A producer gets it when all events that it has emitted before have gone to consumers; a consumer when it has
        handled all that had arrived before. To be called (then it is queued on return) or cast.
        """
        self._cell.inform(message)

    def _stage_message(self, message: object) -> Steps | None:
        """What a stage message makes it do."""
        raise NotImplementedError


_RESERVED: Final = frozenset(
    {name for name in vars(GenServer) if not name.startswith("_")}
    | {"dispatcher", "emit", "subscribe_to", "resubscribe_to", "children"}
    | {f"handle_{what}" for what in ("demand", "events", "subscribe", "cancel", "discarded")}
)


def deliver(pid: Pid[object], message: object) -> None:
    """Send a stage a stage message. Dropped if it has ended; never refused because its mailbox is full."""
    process = pid.process
    process.signal((process.handlers.find(_RECEIVE), message, None, None))


def watch(owner: Process, target: Pid[object], message: Callable[[Reason], object]) -> int:
    """Let the owner's stage receive a message when another process has ended. Returns the watch's number.

    Args:
        owner: whose stage.
        target: whose end.
        message: makes the message out of the reason.
    """

    def tell(reason: Reason) -> None:
        (owner.monitors or {}).pop(number, None)
        deliver(Pid(owner), message(reason))

    number = target.watch(tell)
    if owner.monitors is None:
        owner.monitors = {}
    owner.monitors[number] = target.process
    return number


def unwatch(owner: Process, target: Pid[object], number: int) -> None:
    """End a watch."""
    target.unwatch(number)
    (owner.monitors or {}).pop(number, None)


_RECEIVE: Final[Callable[..., object]] = Stage.receive_from_stage
