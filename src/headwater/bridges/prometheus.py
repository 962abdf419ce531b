"""Spans as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final

from headwater.errors import MissingExtra
from headwater.telemetry import SpanEvent, SpanName, Telemetry

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
except ImportError as missing:
    raise MissingExtra("prometheus-client isn't installed: pip install 'headwater[prometheus]'") from missing

HEADWATER: Final = SpanName("headwater")
BUCKETS: Final = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
OTHER: Final = "other"
"""The kind of a span that comes when its name has as many kinds as it may have."""


class PrometheusBridge:
    """Counts and times Headwater's spans, for Prometheus.

        bridge = PrometheusBridge(prometheus_client.REGISTRY)
        detach = bridge.attach(telemetry)

    | metric | | labels |
    |---|---|---|
    | `headwater_span_seconds` | histogram: how long spans took; not the lives of processes | `span`, `kind` |
    | `headwater_spans_total` | counter: how many have ended | `span`, `kind`, `outcome`: `ok` or `error` |
    | `headwater_spans_open` | gauge: how many are under way; so also how many processes live | `span`, `kind` |

    `span` is the span's name, such as `headwater.process`. `kind` is the first of some metadata that the span has: the
    class of a process's server, or of a command. Names and numbers of single processes, streams or keys never become
    labels, and each span has a bounded number of kinds: what comes beyond it is counted as kind `other`. So there are
    never more time series than names times `limit`.

    Args:
        registry: where the metrics are; a second bridge to the same one is refused by it with a `ValueError`.
        kinds: which metadata may be a kind. Choose those with few values.
        limit: how many kinds a span's name may have.
        buckets: upper bounds of the histogram's buckets, in seconds.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        kinds: Sequence[str] = ("server", "command"),
        limit: int = 100,
        buckets: Sequence[float] = BUCKETS,
    ) -> None:
        if limit < 1:
            raise ValueError(f"a span has at least 1 kind, not {limit}")
        self._kinds = kinds
        self._limit = limit
        self._known: dict[str, set[str]] = {}
        self._open: dict[Hashable, tuple[str, str]] = {}
        self._seconds = Histogram(
            "headwater_span_seconds", "How long spans took", ("span", "kind"), registry=registry, buckets=buckets
        )
        self._ended = Counter(
            "headwater_spans", "How many spans have ended", ("span", "kind", "outcome"), registry=registry
        )
        self._under_way = Gauge(
            "headwater_spans_open", "How many spans are under way", ("span", "kind"), registry=registry
        )

    def attach(self, telemetry: Telemetry, prefix: SpanName = HEADWATER) -> Callable[[], None]:
        """Follow the spans of a telemetry. Returns what detaches it again.

        What is under way already isn't counted.

        Args:
            telemetry: whose.
            prefix: only those whose name begins so.
        """
        return telemetry.attach(prefix, self._follow)

    def _follow(self, event: SpanEvent) -> None:
        if event.phase == "start":
            labels = self._open[event.span] = str(event.name), self._kind(event)
            self._under_way.labels(*labels).inc()
        elif event.span in self._open:
            self._end(event, self._open.pop(event.span))

    def _end(self, event: SpanEvent, labels: tuple[str, str]) -> None:
        self._under_way.labels(*labels).dec()
        self._ended.labels(*labels, "ok" if event.phase == "stop" else "error").inc()
        if event.encloses:
            self._seconds.labels(*labels).observe(event.duration)

    def _kind(self, event: SpanEvent) -> str:
        kind = next((str(event.metadata[name]) for name in self._kinds if event.metadata.get(name) is not None), "")
        known = self._known.setdefault(str(event.name), set())
        if kind in known:
            return kind
        if len(known) >= self._limit:
            return OTHER
        known.add(kind)
        return kind
