"""The adapters that ship pass the suite that every adapter has to pass."""

import pytest

from headwater.pubsub.adapter import PubSubAdapter
from headwater.pubsub.hub import Hub
from headwater.pubsub.local import LocalAdapter
from headwater.testing.conformance.pubsub import ClusterConformance, PubSubConformance


@pytest.mark.row("PB-09")
class TestLocal(PubSubConformance):
    def adapter(self, node: str) -> PubSubAdapter:
        return LocalAdapter(node)


@pytest.mark.row("PB-09")
class TestHub(ClusterConformance):
    def setup_method(self) -> None:
        self.hub = Hub()

    def adapter(self, node: str) -> PubSubAdapter:
        return self.hub.adapter(node)
