"""What a process does, event by event, for those who look at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, cast

import msgspec

from headwater.runtime.exits import Reason, describe
from headwater.runtime.introspect_state import spoken
from headwater.runtime.message import Message, arguments_of
from headwater.runtime.process import Process

EventKind: TypeAlias = Literal["in", "out", "noreply", "continue", "code_change", "terminate"]
"""`in`: a message is about to be handled. `out`: the answer to a call, also when its method returned before.
`noreply`: a message was handled that nobody waits for, or a call whose answer is deferred. `continue`: something asked
for with `GenServer.then`. `code_change` and `terminate`: as they say."""

_WITH_MESSAGE: Final = ("in", "noreply", "continue")


class ProcessEvent(msgspec.Struct, frozen=True):
    """One thing that a process did.

    Attributes:
        process: the process's label.
        kind: what kind of thing.
        time: when, in seconds of the system's monotonic clock.
        method: the method that the message is for; None for `out`, `code_change` and `terminate`.
        arguments: the message's positional arguments.
        subject: the answer of `out`, the old version of `code_change`, the reason of `terminate`; otherwise None.
    """

    process: str
    kind: EventKind
    time: float
    method: str | None = None
    arguments: tuple[object, ...] = ()
    subject: object = None

    def __str__(self) -> str:
        return f"{self.process} {self.kind} {self._about()}"

    def _about(self) -> str:
        if self.method is not None:
            return f"{self.method}({', '.join(map(spoken, self.arguments))})"
        return describe(cast("Reason", self.subject)) if self.kind == "terminate" else spoken(self.subject)


class EventObserver:
    """Turns what the machinery says into `ProcessEvent`s, and hands them on.

    Args:
        process: whose events.
        receive: who gets them. If it raises, it gets no more, and the error is logged.
    """

    __slots__ = ("_process", "receive")

    def __init__(self, process: Process, receive: Callable[[ProcessEvent], object]) -> None:
        self._process = process
        self.receive: Final = receive

    def __call__(self, kind: str, subject: object) -> None:
        """Hand one event on."""
        process = self._process
        event_kind, now = cast("EventKind", kind), process.node.clock.monotonic()
        if kind in _WITH_MESSAGE:
            message = cast("Message", subject)
            arguments, keywords = arguments_of(message)
            said = (*arguments, *keywords.values())
            self.receive(ProcessEvent(process.label, event_kind, now, message[0].name, said))
        else:
            self.receive(ProcessEvent(process.label, event_kind, now, subject=subject))
