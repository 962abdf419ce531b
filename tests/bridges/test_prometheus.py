"""Spans as Prometheus metrics, read as Prometheus reads them."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from headwater import Exit, GenServer, System
from headwater.bridges.prometheus import PrometheusBridge
from headwater.telemetry import SpanName, Telemetry
from headwater.testing.clock import VirtualClock

DISPATCH, LIFE = SpanName("headwater", "cqrs", "dispatch"), SpanName("headwater", "process")
Labels = frozenset[str]


def samples(registry: CollectorRegistry, name: str) -> dict[Labels, float]:
    """The values of a metric, by the values of its labels."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    found = (sample for family in families for sample in family.samples if sample.name == name)
    return {frozenset(sample.labels.values()): sample.value for sample in found}


def of(*labels: object) -> Labels:
    return frozenset(map(str, labels))


@pytest.mark.row("BR-09")
def test_spans_are_timed_and_counted() -> None:
    registry, clock = CollectorRegistry(), VirtualClock()
    telemetry = Telemetry(clock)
    PrometheusBridge(registry, buckets=(0.1, 1.0)).attach(telemetry)
    for seconds in (0.05, 0.5, 5.0):
        with telemetry.span(DISPATCH, command="Deposit") as span:
            assert samples(registry, "headwater_spans_open")[of(DISPATCH, "Deposit")] == 1
            clock.advance(seconds)
            span.set(command="something else")  # the kind is what it was at the start
    with pytest.raises(ZeroDivisionError), telemetry.span(DISPATCH, command="Withdraw"):
        raise ZeroDivisionError
    assert samples(registry, "headwater_spans_total") == {
        of(DISPATCH, "Deposit", "ok"): 3,
        of(DISPATCH, "Withdraw", "error"): 1,
    }
    buckets = samples(registry, "headwater_span_seconds_bucket")
    assert [buckets[of(DISPATCH, "Deposit", bound)] for bound in ("0.1", "1.0", "+Inf")] == [1, 2, 3]
    assert samples(registry, "headwater_span_seconds_sum")[of(DISPATCH, "Deposit")] == pytest.approx(5.55)
    assert samples(registry, "headwater_spans_open") == {of(DISPATCH, "Deposit"): 0, of(DISPATCH, "Withdraw"): 0}


class Worker(GenServer):
    pass


@pytest.mark.row("BR-09")
def test_living_processes_are_counted_by_class_and_never_by_name() -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(VirtualClock())

    async def main() -> None:
        async with System("test", telemetry=telemetry) as system:
            early = await system.start(Worker)
            PrometheusBridge(registry).attach(telemetry)
            workers = [await system.start(Worker, name=f"worker {number}") for number in range(50)]
            workers[0].kill()
            workers[1].exit(Exit.SHUTDOWN)
            early.kill()  # nobody saw it begin
            assert samples(registry, "headwater_spans_open") == {of(LIFE, "Worker"): 48}
            assert samples(registry, "headwater_spans_total") == {
                of(LIFE, "Worker", "error"): 1,
                of(LIFE, "Worker", "ok"): 1,
            }

    asyncio.run(main())
    assert samples(registry, "headwater_spans_open") == {of(LIFE, "Worker"): 0}
    assert samples(registry, "headwater_span_seconds_count") == {}
    assert b"worker 7" not in generate_latest(registry)


@pytest.mark.row("BR-09")
def test_there_are_never_more_kinds_than_allowed() -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(VirtualClock())
    PrometheusBridge(registry, kinds=("stream",), limit=3).attach(telemetry)
    for number in range(100):
        with telemetry.span(DISPATCH, stream=f"account-{number}"):
            pass
    with telemetry.span(DISPATCH, stream="account-1"):
        pass
    assert samples(registry, "headwater_spans_total") == {
        of(DISPATCH, "account-0", "ok"): 1,
        of(DISPATCH, "account-1", "ok"): 2,
        of(DISPATCH, "account-2", "ok"): 1,
        of(DISPATCH, "other", "ok"): 97,
    }
    with pytest.raises(ValueError, match="at least 1"):
        PrometheusBridge(CollectorRegistry(), limit=0)


@pytest.mark.row("BR-09")
def test_one_bridge_serves_several_systems_until_it_is_detached() -> None:
    registry = CollectorRegistry()
    bridge = PrometheusBridge(registry)
    one, other = Telemetry(VirtualClock()), Telemetry(VirtualClock())
    detach, _ = bridge.attach(one), bridge.attach(other, DISPATCH)
    for telemetry in (one, other):
        with telemetry.span(DISPATCH), telemetry.span(SpanName("headwater", "store")):
            pass
    detach()
    with one.span(DISPATCH):
        pass
    assert samples(registry, "headwater_spans_total") == {
        of(DISPATCH, "", "ok"): 2,
        of("headwater.store", "", "ok"): 1,
    }
    with pytest.raises(ValueError, match="Duplicated"):
        PrometheusBridge(registry)
