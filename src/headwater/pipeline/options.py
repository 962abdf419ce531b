"""What can be set for a pipeline. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from headwater.errors import InvalidPipeline
from headwater.runtime.backoff import Backoff


class Accumulator(Protocol):
    """Decides when a batch is full; made anew for each batch.

    It must not raise: that would end the batcher, and all messages would be given again.
    """

    def add(self, message: Any, /) -> bool:  # noqa: ANN401 - an implementation names its own kind of message
        """A message was put into the batch. Returns whether the batch is full now, with this message in it."""


@dataclass(frozen=True, slots=True)
class Processors:
    """How messages are handled one by one.

    Attributes:
        concurrency: how many processors there are. Each handles one message at a time; so many async handlers run at
            once.
        max_demand: how many messages a processor is given at most before it has handled the first of them. Make it
            small for slow handlers, so that messages go to whoever is free.
        min_demand: when only so many are left of them, it asks for more; half of `max_demand` if not given.

    Raises:
        InvalidPipeline: one of them is out of its range.
    """

    concurrency: int = 2
    max_demand: int = 100
    min_demand: int | None = None

    def __post_init__(self) -> None:
        at_least_one("the concurrency of processors", self.concurrency)
        at_least_one("max_demand of processors", self.max_demand)
        if self.min_demand is None:
            return
        if type(self.min_demand) is not int or not 0 <= self.min_demand < self.max_demand:
            raise InvalidPipeline(
                f"min_demand is from 0 to max_demand - 1 = {self.max_demand - 1}, not {self.min_demand!r}"
            )


@dataclass(frozen=True, slots=True)
class Batcher:
    """How messages are put together.

    Attributes:
        size: how many messages a batch holds at most.
        timeout: seconds after its first message when a batch is closed in any case.
        concurrency: how many batch processors there are. Each handles one batch at a time.
        accumulator: makes what decides whether a batch is full before it has `size` messages, such as by their bytes.
        max_demand: how many messages the batcher asks each processor for; `size` if not given.

    Raises:
        InvalidPipeline: one of them is out of its range.
    """

    size: int = 100
    timeout: float = 1.0
    concurrency: int = 1
    accumulator: Callable[[], Accumulator] | None = None
    max_demand: int | None = None

    def __post_init__(self) -> None:
        at_least_one("the size of a batch", self.size)
        at_least_one("the concurrency of a batcher", self.concurrency)
        positive("the timeout of a batch", self.timeout)
        if self.max_demand is not None:
            at_least_one("max_demand of a batcher", self.max_demand)


@dataclass(frozen=True, slots=True)
class Retry:
    """What happens to messages that have failed, before they are parked as dead letters.

    Attributes:
        attempts: how often a handler gets a message at most, the first time included; 1 for no retries.
        backoff: how long a message waits before it is tried again.

    Raises:
        InvalidPipeline: fewer than 1 attempt.
    """

    attempts: int = 3
    backoff: Backoff = field(default_factory=lambda: Backoff(0.1, 30.0))

    def __post_init__(self) -> None:
        at_least_one("the number of attempts", self.attempts)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many messages the sources of a pipeline may emit together in each interval of time.

    Attributes:
        messages: so many …
        interval: … in so many seconds. The intervals follow each other without a gap.

    Raises:
        InvalidPipeline: one of them isn't positive.
    """

    messages: int
    interval: float = 1.0

    def __post_init__(self) -> None:
        at_least_one("the messages of a rate limit", self.messages)
        positive("the interval of a rate limit", self.interval)


class Settings(Protocol):
    """What is set in a pipeline's class; see `Pipeline`."""

    processors: Processors
    batchers: Mapping[str, Batcher]
    retry: Retry
    rate_limit: RateLimit | None
    max_unacknowledged: int
    shutdown: float
    max_restarts: int
    within: float
    resubscribe_interval: float


def check_settings(settings: Settings) -> None:
    """Look at all settings of a pipeline.

    Raises:
        InvalidPipeline: one of them is not what it should be.
    """
    made_of("processors", settings.processors, Processors)
    made_of("retry", settings.retry, Retry)
    if settings.rate_limit is not None:
        made_of("rate_limit", settings.rate_limit, RateLimit)
    at_least_one("max_unacknowledged", settings.max_unacknowledged)
    if type(settings.max_restarts) is not int or settings.max_restarts < 0:
        raise InvalidPipeline(f"max_restarts is 0 or more, not {settings.max_restarts!r}")
    for what in ("shutdown", "within", "resubscribe_interval"):
        positive(what, getattr(settings, what))
    made_of("batchers", settings.batchers, Mapping)
    for name, batcher in settings.batchers.items():
        made_of(f"batcher {name!r}", batcher, Batcher)
        if batcher.size > settings.max_unacknowledged:
            raise InvalidPipeline(
                f"batches of {batcher.size} in batcher {name!r} would never be full: there are at most "
                f"max_unacknowledged = {settings.max_unacknowledged} messages of a source in the pipeline"
            )


def made_of(what: str, value: object, kind: type) -> None:
    """Look at a part.

    Raises:
        InvalidPipeline: it is of another class.
    """
    if not isinstance(value, kind):
        raise InvalidPipeline(f"{what} takes a {kind.__name__}, not {value!r}")


def at_least_one(what: str, number: int) -> None:
    """Look at a number.

    Raises:
        InvalidPipeline: it isn't a whole number, 1 or more.
    """
    if type(number) is not int or number < 1:
        raise InvalidPipeline(f"{what} is a whole number, 1 or more, not {number!r}")


def positive(what: str, seconds: float) -> None:
    """Look at a time.

    Raises:
        InvalidPipeline: it isn't a positive number of seconds.
    """
    given: object = seconds
    if not isinstance(given, int | float) or not 0 < given < math.inf:
        raise InvalidPipeline(f"{what} is a positive number of seconds, not {seconds!r}")
