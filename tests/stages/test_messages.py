"""The protocol, spoken by hand."""

from __future__ import annotations

import pytest

from headwater import BroadcastDispatcher, Exit, PartitionDispatcher, Pid, StageSubscription, System
from headwater.errors import AlreadySubscribed, StageNotSubscribed, UnknownPartition
from headwater.stages.messages import Ask, Cancel, Cancelled, Events, Subscribe, Subscribed
from headwater.stages.options import SubscribeOptions
from headwater.stages.receiver import Receiver
from headwater.stages.stage import deliver
from tests.runtime.driving import run, settle
from tests.stages.driving import Ints, Numbers


class Ear(Receiver[int]):
    """Keeps the messages that it gets."""

    def init(self, log: list[object]) -> None:
        self.log = log

    def _stage_message(self, message: object) -> None:
        self.log.append(message)


def made(producer: Pid[Numbers], consumer: Pid[Ear], number: int = 1_000) -> StageSubscription:
    return StageSubscription(producer, consumer, number)


@pytest.mark.row("GE-16")
def test_a_subscription_from_beginning_to_end() -> None:
    async def scenario(system: System) -> None:
        log: list[object] = []
        numbers, ear = await system.start(Numbers), await system.start(Ear, log)
        subscription = made(numbers, ear)
        deliver(numbers, Subscribe(subscription, SubscribeOptions[int]()))
        deliver(numbers, Ask(subscription, 2))
        deliver(numbers, Ask(subscription, 1))
        deliver(numbers, Cancel(subscription, Exit.SHUTDOWN))
        deliver(numbers, Ask(subscription, 1))
        await settle()
        assert log[:4] == [
            Subscribed(subscription),
            Events(subscription, [0, 1]),
            Events(subscription, [2]),
            Cancelled(subscription, Exit.SHUTDOWN),
        ]
        (refused,) = log[4:]
        assert isinstance(refused, Cancelled)
        assert isinstance(refused.reason, StageNotSubscribed)

    run(scenario)


@pytest.mark.row("GE-16")
def test_a_refusal_is_a_cancelled_with_the_error() -> None:
    async def scenario(system: System) -> None:
        log: list[object] = []
        ear = await system.start(Ear, log)
        parts = await system.start(Numbers, 10, lambda: PartitionDispatcher(1))
        deliver(parts, Subscribe(made(parts, ear), SubscribeOptions[int](partition=3)))
        crowd = await system.start(Numbers, 10, BroadcastDispatcher)
        deliver(crowd, Subscribe(made(crowd, ear, 1), SubscribeOptions[int]()))
        deliver(crowd, Subscribe(made(crowd, ear, 2), SubscribeOptions[int]()))
        await settle()
        assert [type(message) for message in log] == [Cancelled, Subscribed, Cancelled]
        assert isinstance(log[0].reason, UnknownPartition)  # type: ignore[attr-defined]
        assert isinstance(log[2].reason, AlreadySubscribed)  # type: ignore[attr-defined]

    run(scenario)


@pytest.mark.row("GE-16")
def test_messages_that_make_no_sense_harm_nobody() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers), await system.start(Ints)
        subscription = StageSubscription(numbers, ints, 1_000)
        for message in (Subscribed(subscription), Cancelled(subscription, Exit.NORMAL), Events(subscription, [1])):
            deliver(ints, message)
        deliver(numbers, Cancel(subscription, Exit.NORMAL))
        for pid in (numbers, ints):
            deliver(pid, "noise")
        await settle()
        assert numbers.alive
        assert await ints.call(Ints.events) == []

    run(scenario)


@pytest.mark.row("GE-16")
def test_messages_are_frozen() -> None:
    async def scenario(system: System) -> None:
        numbers = await system.start(Numbers)
        subscription = StageSubscription(numbers, numbers, 1)
        for message, field in (
            (subscription, "number"),
            (Subscribe(subscription, SubscribeOptions[int]()), "options"),
            (Ask(subscription, 1), "demand"),
            (Cancel(subscription, Exit.NORMAL), "reason"),
            (Subscribed(subscription), "subscription"),
            (Events(subscription, [1]), "events"),
            (Cancelled(subscription, Exit.NORMAL), "reason"),
        ):
            with pytest.raises(AttributeError, match="immutable"):
                setattr(message, field, None)

    run(scenario)
