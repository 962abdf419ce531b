"""Spans: what happened, how long it took, and how it ended.

A component declares its spans where it emits them:

    DISPATCH = SpanName("headwater", "cqrs", "dispatch")

    with telemetry.span(DISPATCH, command="Deposit") as span:
        span.set(position=17)

Whoever wants to know attaches a handler; without one a span costs one attribute read. Handlers run in the
caller's turn, in the order in which they were attached. A handler that raises is detached and reported to the
log: measuring never breaks what it measures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal

from headwater.clock import Clock, SystemClock

Phase = Literal["start", "stop", "exception"]

_log: Final = logging.getLogger("headwater.telemetry")


class SpanName(tuple[str, ...]):
    """The dotted name of a kind of span, most general part first."""

    __slots__ = ()

    def __new__(cls, *parts: str) -> SpanName:
        """Build the name.

        Raises:
            ValueError: there is no part, or an empty one.
        """
        if not parts or not all(parts):
            raise ValueError(f"a span's name needs one or more non-empty parts, not {parts!r}")
        return super().__new__(cls, parts)

    def __str__(self) -> str:
        return ".".join(self)


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """One end of a span, as a handler receives it.

    Attributes:
        name: the kind of span.
        phase: `start`, `stop`, or `exception` instead of `stop` when the work raised.
        duration: seconds from start to end; 0.0 at the start.
        metadata: what the component said about this span so far.
        error: what was raised, for phase `exception`.
        span: what the start and the end of one span have in common, and no other span that is under way. To be compared
            and hashed, nothing else.
        encloses: whether what happens in the same task until its end happens within it, as it does in a `with` block.
            The life of a process, say, encloses nothing.
    """

    name: SpanName
    phase: Phase
    duration: float
    metadata: Mapping[str, object]
    error: BaseException | None = None
    span: Hashable = field(default=None, compare=False, repr=False)
    encloses: bool = field(default=False, compare=False)


Handler = Callable[[SpanEvent], None]


class Span:
    """Work under way, made by `Telemetry.span`. This base is what it is while nobody listens: it does nothing."""

    __slots__ = ()

    def set(self, **metadata: object) -> None:
        """Say more about this span; later values replace earlier ones."""

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class _ObservedSpan(Span):
    """A span that somebody listens to."""

    __slots__ = ("_metadata", "_name", "_started", "_telemetry")

    def __init__(self, telemetry: Telemetry, name: SpanName, metadata: dict[str, object]) -> None:
        self._telemetry = telemetry
        self._name = name
        self._metadata = metadata
        self._started = 0.0

    def set(self, **metadata: object) -> None:
        self._metadata.update(metadata)

    def __enter__(self) -> Span:
        self._started = self._telemetry.clock.monotonic()
        self._emit("start", 0.0, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        duration = self._telemetry.clock.monotonic() - self._started
        self._emit("stop" if error is None else "exception", duration, error)

    def _emit(self, phase: Phase, duration: float, error: BaseException | None) -> None:
        self._telemetry.emit(SpanEvent(self._name, phase, duration, dict(self._metadata), error, self, True))


_UNOBSERVED: Final = Span()


@dataclass(slots=True)
class Telemetry:
    """The handlers of one system. Nothing is global: each system and each store has its own, or shares one."""

    clock: Clock = field(default_factory=SystemClock)
    _handlers: list[tuple[SpanName, Handler]] = field(default_factory=list)

    def attach(self, prefix: SpanName, handler: Handler) -> Callable[[], None]:
        """Call `handler` for each span whose name begins with `prefix`. Returns what detaches it again."""
        entry = (prefix, handler)
        self._handlers.append(entry)

        def detach() -> None:
            if entry in self._handlers:
                self._handlers.remove(entry)

        return detach

    @property
    def listening(self) -> bool:
        """Whether any handler is attached."""
        return bool(self._handlers)

    def span(self, name: SpanName, **metadata: object) -> Span:
        """A context manager around a piece of work: emits its start, and its stop or exception."""
        if not self._handlers:
            return _UNOBSERVED
        return _ObservedSpan(self, name, metadata)

    def emit(self, event: SpanEvent) -> None:
        """Hand an event to the handlers that want it."""
        for entry in tuple(self._handlers):
            prefix, handler = entry
            if event.name[: len(prefix)] == prefix:
                self._call(entry, handler, event)

    def _call(self, entry: tuple[SpanName, Handler], handler: Handler, event: SpanEvent) -> None:
        try:
            handler(event)
        except Exception:  # noqa: BLE001 - whatever a handler raises, the work goes on
            self._handlers.remove(entry)
            _log.exception("telemetry handler %r raised at %s and was detached", handler, event.name)
