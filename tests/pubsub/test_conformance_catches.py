"""The conformance suite finds what is wrong with an adapter: each of these breaks one promise."""

import asyncio
from collections.abc import Callable

import pytest

from headwater.errors import NodeUnknown
from headwater.pubsub.adapter import PubSubAdapter, Receive
from headwater.pubsub.hub import Hub, HubAdapter
from headwater.testing.conformance import pubsub as suite


class Echo(HubAdapter):
    """Its own broadcasts come back."""

    async def start(self, receive: Receive) -> None:
        await super().start(receive)
        self.echo = receive

    def broadcast(self, data: bytes) -> None:
        super().broadcast(data)
        asyncio.get_running_loop().call_soon(self.echo, data)


class Twice(HubAdapter):
    """Everything arrives twice."""

    def broadcast(self, data: bytes) -> None:
        super().broadcast(data)
        super().broadcast(data)


class Unordered(HubAdapter):
    """What is direct overtakes."""

    def broadcast(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(super().broadcast, data)


class Instant(HubAdapter):
    """The other node's work is done within the call."""

    def _accept(self, data: bytes) -> None:
        super()._accept(data)
        self._drain()


class ToAll(HubAdapter):
    """A direct broadcast reaches all."""

    def direct_broadcast(self, node: str, data: bytes) -> None:
        self._hub.get(node)
        self.broadcast(data)


class Careless(HubAdapter):
    """It doesn't look whether a node is there."""

    def direct_broadcast(self, node: str, data: bytes) -> None:
        try:
            super().direct_broadcast(node, data)
        except NodeUnknown:
            return


class Stays(HubAdapter):
    """It doesn't leave."""

    async def stop(self) -> None:
        return


class Text(HubAdapter):
    """It takes bytes for text."""

    def broadcast(self, data: bytes) -> None:
        super().broadcast(data.decode(errors="replace").encode())


class Shy(HubAdapter):
    """It says that there are no others."""

    distributed = False


def failures(make: Callable[[Hub, str], PubSubAdapter]) -> list[str]:
    """The names of the suite's tests that an adapter fails."""

    class Plugged(suite.ClusterConformance):
        def __init__(self) -> None:
            self.hub = Hub()

        def adapter(self, node: str) -> PubSubAdapter:
            return make(self.hub, node)

    failed = []
    for name in [name for name in dir(Plugged) if name.startswith("test_")]:
        try:
            getattr(Plugged(), name)()
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever it is, it was found
            failed.append(name)
    return failed


@pytest.mark.row("PB-09")
@pytest.mark.parametrize(
    ("make", "found_by"),
    [
        (Echo, "test_a_broadcast_never_reaches_its_own_node"),
        (Twice, "test_a_broadcast_reaches_every_other_node_once"),
        (Unordered, "test_what_one_node_sends_arrives_in_that_order"),
        (Instant, "test_nothing_is_received_within_the_call_that_sends"),
        (ToAll, "test_a_direct_broadcast_reaches_one_node"),
        (Careless, "test_a_node_that_is_not_there_is_refused_if_it_can_be_known"),
        (Stays, "test_nothing_is_sent_before_the_start_and_after_the_stop"),
        (Stays, "test_a_node_that_has_left_gets_nothing_and_may_come_back"),
        (Text, "test_bytes_arrive_as_they_were_sent"),
        (Shy, "test_it_joins_several_nodes"),
    ],
)
def test_a_broken_promise_is_found(
    make: Callable[[Hub, str], PubSubAdapter], found_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "PATIENCE", 0.02)
    assert found_by in failures(make)


@pytest.mark.row("PB-09")
def test_nothing_is_found_where_nothing_is_broken() -> None:
    assert failures(HubAdapter) == []
