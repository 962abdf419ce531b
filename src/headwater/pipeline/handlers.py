"""What the stages of a pipeline know of the application's class."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

from headwater.pipeline.batch import BatchInfo
from headwater.pipeline.dead_letters import DeadLetters
from headwater.pipeline.message import Message
from headwater.pipeline.options import Settings
from headwater.pipeline.source import Source

Data = TypeVar("Data")


class Handlers(Settings, Protocol[Data]):
    """A pipeline's settings and handlers; see `Pipeline`."""

    @property
    def name(self) -> str:
        """What its processes are called after."""

    @property
    def sources(self) -> Sequence[Source[Data]]:
        """Where its messages come from."""

    @property
    def dead_letters(self) -> DeadLetters:
        """Where messages go that can't be handled."""

    def process_name(self, role: str) -> str:
        """What a process is called."""

    def partition_by(self, data: Data) -> Hashable:
        """Whose order is kept."""

    def prepare_messages(self, messages: list[Message[Data]]) -> object:
        """Before messages are handled."""

    def handle_message(self, message: Message[Data]) -> object:
        """Handle one."""

    def handle_batch(self, messages: list[Message[Data]], batch: BatchInfo) -> object:
        """Handle a batch."""

    def handle_failed(self, messages: list[Message[Data]]) -> object:
        """Messages have failed for good."""
