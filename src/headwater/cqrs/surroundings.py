"""What process managers and timers work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from headwater.clock import Clock, Rng
from headwater.cqrs.command_codec import CommandCodec
from headwater.cqrs.committed import Committed
from headwater.cqrs.failure import Parking
from headwater.sourcing.messages import Command
from headwater.store.store import EventStore


class Dispatch(Protocol):
    """Has a command decided, as `Application.dispatch` does."""

    async def __call__(
        self,
        command: Command,
        *,
        id: UUID,  # noqa: A002 - the field's term
        correlation: UUID | None,
        metadata: Mapping[str, object] | None,
        timeout: float,
    ) -> Committed:
        """Have it decided, and wait until its events are durable."""


class Surroundings(msgspec.Struct, frozen=True):
    """What process managers and timers work with.

    Attributes:
        store: the log.
        commands: encodes commands.
        dispatch: has them decided.
        clock: where the time comes from.
        rng: where chance comes from.
        parking: where failures are left.
        wake_timers: called when timers were scheduled or cancelled.
    """

    store: EventStore
    commands: CommandCodec
    dispatch: Dispatch
    clock: Clock
    rng: Rng
    parking: Parking
    wake_timers: Callable[[], None]

    def now(self) -> int:
        """The time, in microseconds since 1970-01-01 UTC."""
        return self.clock.wall() // 1_000
