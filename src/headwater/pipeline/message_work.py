"""MessageWork: how a processor handles messages one by one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from types import CoroutineType
from typing import Final, Generic, TypeVar

from headwater.errors import UnknownBatcher, one_of
from headwater.pipeline.deployment import Deployment
from headwater.pipeline.message import Failure, Message
from headwater.pipeline.settling import RetryDue, Settling, fail
from headwater.pipeline.spans import MESSAGE, PROCESSOR
from headwater.runtime.process import Process

Data = TypeVar("Data")

PATIENCE: Final = 0.01
"""Seconds that a message which was handled waits for others that are handled after it in the same turn."""


class MessageWork(Generic[Data]):
    """Gives messages to `handle_message`, in order. Not async as long as nothing that it calls is.

    Args:
        deployment: the pipeline.
        process: the processor's.
        pass_on: what to do with messages that go on to batchers before others of the same run are handled.
    """

    __slots__ = (
        "_batchers",
        "_concluding",
        "_failed",
        "_handle",
        "_handled",
        "_handlers",
        "_pass_on",
        "_prepares",
        "_process",
        "_settling",
    )

    def __init__(
        self, deployment: Deployment[Data], process: Process, pass_on: Callable[[list[Message[Data]]], None]
    ) -> None:
        self._handlers = deployment.handlers
        self._handle = deployment.handlers.handle_message
        self._prepares = deployment.prepares
        self._batchers = frozenset(deployment.handlers.batchers)
        self._process = process
        self._pass_on = pass_on
        self._settling = Settling(deployment, process)
        self._handled: list[Message[Data]] = []
        self._failed: list[Message[Data]] = []
        self._concluding = False

    def run(
        self, messages: list[Message[Data]]
    ) -> list[Message[Data]] | Coroutine[object, object, list[Message[Data]]]:
        """Handle messages. Returns those that go on to batchers; without batchers they are acknowledged."""
        if self._prepares or self._process.node.telemetry.listening:
            return self._run_prepared(messages)
        line = iter(messages)
        pending = self._advance(line)
        if pending is not None:
            return self._go_on(line, *pending)
        return self._conclude_later() if self._failed else self._conclude()

    def retry(self, due: RetryDue) -> list[Message[Data]] | Coroutine[object, object, list[Message[Data]]]:
        """Handle messages whose back-off is over, and those that waited for them."""
        return self.run(self._settling.release(due))

    async def _run_prepared(self, messages: list[Message[Data]]) -> list[Message[Data]]:
        said = {"pipeline": self._handlers.name, "process": self._process.label, "count": len(messages)}
        with self._process.node.telemetry.span(PROCESSOR, **said):
            if self._prepares:
                await self._prepare(messages)
            line = iter(messages)
            pending = self._advance(line)
            if pending is not None:
                return await self._go_on(line, *pending)
            return await self._conclude_later()

    async def _prepare(self, messages: list[Message[Data]]) -> None:
        try:
            outcome = self._handlers.prepare_messages(list(messages))
            if type(outcome) is CoroutineType:
                await outcome
        except Exception as error:  # noqa: BLE001 - they have failed, whatever the application raised
            fail(messages, error)

    def _advance(self, line: Iterator[Message[Data]]) -> _Pending[Data] | None:
        """Handle messages up to the first whose handler is async, or which has a key and is given up. Returns that one.

        Those behind one that is given up wait until it is parked: it might not be, and then comes first again.
        """
        handle, held, keys = self._handle, self._settling.held, self._settling.held.keys
        observed = self._process.node.telemetry.listening
        for message in line:
            if keys and held.follow(message):
                continue
            if message.failure is None:
                if observed:
                    return message, self._handle_observed(message)
                try:
                    outcome = handle(message)
                except Exception as error:  # noqa: BLE001 - it has failed, whatever the application raised
                    fail([message], error)
                else:
                    if type(outcome) is CoroutineType:
                        return message, outcome
            self._sort(message)
            if self._failed and message.key is not None:
                return None, self._park_failed()
        return None

    async def _go_on(
        self, line: Iterator[Message[Data]], message: Message[Data] | None, work: Coroutine[object, object, object]
    ) -> list[Message[Data]]:
        clock = self._process.node.clock
        since = clock.monotonic()
        while True:
            self._conclude_meanwhile()
            if message is None:
                await work
            else:
                await self._finish(message, work)
            if clock.monotonic() - since > PATIENCE:
                self._pass_on(self._conclude())
                since = clock.monotonic()
            pending = self._advance(line)
            if pending is None:
                return await self._conclude_later()
            message, work = pending

    async def _finish(self, message: Message[Data], work: Coroutine[object, object, object]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - likewise
            fail([message], error)
        self._sort(message)
        if self._failed and message.key is not None:
            await self._park_failed()

    async def _handle_observed(self, message: Message[Data]) -> None:
        said = {"pipeline": self._handlers.name, "process": self._process.label, "attempt": message.attempt}
        with self._process.node.telemetry.span(MESSAGE, **said) as span:
            outcome = self._handle(message)
            if type(outcome) is CoroutineType:
                await outcome
            span.set(failed=message.failure is not None)

    def _sort(self, message: Message[Data]) -> None:
        """A handler has had the message: it goes on, is tried again, or is given up."""
        if message.failure is None and self._batchers:
            self._check_batcher(message)
        if message.failure is None:
            self._handled.append(message)
        elif self._settling.may_retry(message):
            self._settling.retry_later([message.again()], [message.failure.after])
        else:
            self._failed.append(message)

    def _check_batcher(self, message: Message[Data]) -> None:
        try:
            hash(message.batch_key)
            known = message.batcher in self._batchers
        except TypeError as error:
            message.failure = Failure(error, retry=False)
        else:
            if not known:
                names = one_of([repr(name) for name in self._batchers])
                unknown = UnknownBatcher(f"there is no batcher {message.batcher!r}; there are: {names}")
                message.failure = Failure(unknown, retry=False)

    def _conclude(self) -> list[Message[Data]]:
        handled, self._handled = self._handled, []
        if self._batchers:
            return handled
        if handled:
            self._settling.settle(handled, [])
        return []

    def _conclude_meanwhile(self) -> None:
        """If the handler that comes now waits for something, what was handled before it is acknowledged meanwhile."""
        if self._handled and not self._batchers and not self._concluding:
            self._concluding = True
            self._process.node.loop.call_soon(self._conclude_now)

    def _conclude_now(self) -> None:
        self._concluding = False
        self._conclude()

    async def _conclude_later(self) -> list[Message[Data]]:
        await self._park_failed()
        return self._conclude()

    async def _park_failed(self) -> None:
        failed, self._failed = self._failed, []
        if failed:
            await self._settling.park(failed)


_Pending = tuple[Message[Data] | None, Coroutine[object, object, object]]
