"""Settling: what becomes of messages when a handler has had them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from types import CoroutineType
from typing import Final, Generic, TypeVar

from headwater.pipeline.dead_letters import DeadLetter
from headwater.pipeline.deployment import Deployment
from headwater.pipeline.held import Held
from headwater.pipeline.message import Failure, Message
from headwater.pipeline.spans import HANDLE_FAILED
from headwater.runtime.process import Process
from headwater.runtime.timer import MessageTimer

Data = TypeVar("Data")

_log: Final = logging.getLogger("headwater.pipeline")


class RetryDue:
    """To a stage: messages have waited long enough for their next attempt.

    Attributes:
        line: the number of their line.
    """

    __slots__ = ("line",)

    def __init__(self, line: int) -> None:
        self.line = line


class Settling(Generic[Data]):
    """Retries, dead letters and acknowledgements of one processor or batch processor.

    Args:
        deployment: the pipeline.
        process: the stage's process.
        batcher: the name of the batcher, for a batch processor.

    Attributes:
        held: the messages that wait for their next attempt, and those of the same keys behind them.
    """

    __slots__ = ("_batcher", "_deployment", "_process", "_retry", "held")

    def __init__(self, deployment: Deployment[Data], process: Process, batcher: str | None = None) -> None:
        self._deployment = deployment
        self._process = process
        self._batcher = batcher
        self._retry = deployment.handlers.retry
        self.held: Held[Message[Data]] = Held()

    def may_retry(self, message: Message[Data]) -> bool:
        """Whether a message that has failed is tried again."""
        failure = message.failure
        if failure is None or not failure.retry:
            return False
        return failure.after is not None or message.attempt < self._retry.attempts

    def retry_later(self, messages: list[Message[Data]], after: Iterable[float | None]) -> None:
        """Hold messages, ready for their next attempt, until the longest of their waits is over.

        Args:
            messages: at least one.
            after: the seconds that each of them waits at least; None for its back-off.
        """
        attempt = max(message.attempt for message in messages)
        backoff = self._retry.backoff.delay(max(attempt - 2, 0), self._process.node.rng.random())
        delay = max(backoff if seconds is None else seconds for seconds in after)
        due = RetryDue(self.held.hold(messages))
        MessageTimer(self._process.node.clock, self._process, delay, due)

    def release(self, due: RetryDue) -> list[Message[Data]]:
        """The messages whose back-off is over and those behind them, without those whose source stage has ended."""
        return [message for message in self.held.release(due.line) if message.origin.live]

    async def park(self, messages: list[Message[Data]]) -> None:
        """Give messages up: `handle_failed`, dead letter, acknowledgement.

        Raises:
            Exception: the dead letters could not be parked. Then the messages are not acknowledged.
        """
        await self._tell_failed(messages)
        await self._park([self._letter(message) for message in messages])
        self.settle([], messages)

    def settle(self, handled: list[Message[Data]], failed: list[Message[Data]]) -> None:
        """Tell the source stages that messages have gone through.

        Not once the process has ended: then they are given again, also if its handler goes on regardless.
        """
        if not self._process.alive:
            return
        first = (handled or failed)[0].origin
        if all(message.origin is first for message in handled) and all(message.origin is first for message in failed):
            first.settle(handled, failed)
            return
        for origin in dict.fromkeys([message.origin for message in (*handled, *failed)]):
            origin.settle(
                [message for message in handled if message.origin is origin],
                [message for message in failed if message.origin is origin],
            )

    async def _tell_failed(self, messages: list[Message[Data]]) -> None:
        handlers, telemetry = self._deployment.handlers, self._process.node.telemetry
        said = {"pipeline": handlers.name, "process": self._process.label, "count": len(messages)}
        try:
            with telemetry.span(HANDLE_FAILED, **said):
                outcome = handlers.handle_failed(messages)
                if type(outcome) is CoroutineType:
                    await outcome
        except Exception:  # noqa: BLE001 - the messages are parked all the same
            _log.exception("handle_failed of %s raised; its messages are parked all the same", handlers.name)

    async def _park(self, letters: list[DeadLetter]) -> None:
        attempt = 1
        while True:
            try:
                await self._deployment.handlers.dead_letters.park(letters)
            except Exception as error:
                if attempt == self._retry.attempts:
                    raise
                _log.warning("%s could not park %d dead letters: %r", self._process.label, len(letters), error)
            else:
                return
            await self._wait(self._retry.backoff.delay(attempt - 1, self._process.node.rng.random()))
            attempt += 1

    async def _wait(self, seconds: float) -> None:
        over = asyncio.Event()
        timer = self._process.node.clock.call_later(seconds, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    def _letter(self, message: Message[Data]) -> DeadLetter:
        reason = None if message.failure is None else message.failure.reason
        return DeadLetter(
            self._deployment.handlers.name,
            message.delivery.item,
            message.data,
            reason,
            message.attempt,
            self._batcher,
            self._process.node.clock.wall(),
        )


def fail(messages: Iterable[Message[Data]], error: Exception) -> None:
    """A handler raised: the messages that it had have failed, unless it said so itself of some."""
    for message in messages:
        if message.failure is None:
            message.failure = Failure(error)
