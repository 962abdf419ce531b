"""Processes that are too slow: their mailbox's policy decides, and they are told."""

import gc
import weakref
from typing import ClassVar

import pytest

from headwater import Dropped, PubSub, System
from headwater.runtime.mailbox import Overflow
from headwater.runtime.process_info import info
from tests.pubsub.driving import Listener, history, run, settle


class Small(Listener):
    capacity = 3


class Forgetful(Listener):
    capacity = 3
    overflow: ClassVar[Overflow] = "drop_oldest"


@pytest.mark.row("BP-01")
@pytest.mark.parametrize(
    ("kind", "kept", "then"), [(Small, [0, 1, 2], slice(0, 3)), (Forgetful, [2, 3, 4], slice(1, 4))]
)
def test_a_full_mailbox_drops_and_counts_and_the_process_is_told(
    kind: type[Listener], kept: list[int], then: slice
) -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        slow, quick = await system.start(kind, pubsub, "t", "u"), await system.start(Listener, pubsub, "t")
        for number in range(5):
            pubsub.broadcast("t", number)
        assert await history(slow) == kept
        assert info(slow).dropped == 2
        pubsub.broadcast("u", "another topic")
        pubsub.broadcast("t", 5)
        pubsub.broadcast("t", 6)
        assert (await history(slow))[3:] == ["another topic", Dropped("t", 2), 5, 6][then]
        pubsub.broadcast("t", 7)
        assert (await history(slow))[6:] == [Dropped("t", 1), 7]
        pubsub.broadcast("t", 8)
        assert (await history(slow))[8:] == [8]
        assert await history(quick) == list(range(9))

    run(scenario)


def test_a_process_with_room_for_one_message_gets_messages_instead_of_notices() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        slow = await system.start(Listener, pubsub, "t", capacity=1)
        pubsub.broadcast("t", 0)
        pubsub.broadcast("t", 1)
        for number in (2, 3):
            await settle()
            pubsub.broadcast("t", number)
        assert await history(slow) == [0, 2, 3]
        assert info(slow).dropped == 1

    run(scenario)


@pytest.mark.row("BP-01")
def test_who_is_gone_is_not_told() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        left, ended = await system.start(Small, pubsub, "t"), await system.start(Small, pubsub, "t")
        for number in range(5):
            pubsub.broadcast("t", number)
        pubsub.unsubscribe("t", left)
        ended.kill()
        server = weakref.ref(ended.process.server)
        del ended
        await settle()  # it has left the run queue
        gc.collect()
        assert server() is None  # nothing is remembered of it
        pubsub.subscribe("t", left)
        pubsub.broadcast("t", 5)
        assert await history(left) == [0, 1, 2, 5]

    run(scenario)
