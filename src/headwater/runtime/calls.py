"""The same call or cast to many processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Concatenate, Generic, ParamSpec, TypeVar, overload

import msgspec

from headwater.errors import HeadwaterError
from headwater.runtime.pid import Pid
from headwater.runtime.reply import Deferred

ServerT = TypeVar("ServerT")
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Answers(msgspec.Struct, Generic[ServerT, Answer_co], frozen=True):
    """What came back from many processes, each in one of the two, in the order in which they were called.

    Attributes:
        replies: what each process answered.
        failures: what each call raised instead.
    """

    replies: Mapping[Pid[ServerT], Answer_co]
    failures: Mapping[Pid[ServerT], HeadwaterError]


@overload
async def call_many(
    pids: Iterable[Pid[ServerT]],
    method: Callable[Concatenate[ServerT, Arguments], Coroutine[object, object, Answer]],
    /,
    *arguments: Arguments.args,
    **keywords: Arguments.kwargs,
) -> Answers[ServerT, Answer]: ...


@overload
async def call_many(
    pids: Iterable[Pid[ServerT]],
    method: Callable[Concatenate[ServerT, Arguments], Deferred[Answer]],
    /,
    *arguments: Arguments.args,
    **keywords: Arguments.kwargs,
) -> Answers[ServerT, Answer]: ...


@overload
async def call_many(
    pids: Iterable[Pid[ServerT]],
    method: Callable[Concatenate[ServerT, Arguments], Answer],
    /,
    *arguments: Arguments.args,
    **keywords: Arguments.kwargs,
) -> Answers[ServerT, Answer]: ...


async def call_many(
    pids: Iterable[Pid[ServerT]], method: Callable[..., object], /, *arguments: object, **keywords: object
) -> Answers[ServerT, object]:
    """Call a method of many processes at the same time, and wait for all answers.

    Each call has the deadline of its own address, 5 s unless it says otherwise; so this takes as long as the slowest:

        answers = await call_many([pid.within(0.5) for pid in pids], Counter.increment, 5)

    A failure of one call changes nothing for the others. If the caller is cancelled, all calls are.

    Args:
        pids: the addresses; one that occurs twice is called once.
        method: the method, taken from the class.
        arguments: its positional arguments.
        keywords: its keyword arguments.
    """
    distinct = list(dict.fromkeys(pids))
    calls = (_attempt(pid, method, arguments, keywords) for pid in distinct)
    outcomes = dict(zip(distinct, await asyncio.gather(*calls), strict=True))
    failures = {pid: outcome.error for pid, outcome in outcomes.items() if isinstance(outcome, _Failure)}
    replies = {pid: outcome for pid, outcome in outcomes.items() if pid not in failures}
    return Answers(replies, failures)


def cast_many(
    pids: Iterable[Pid[ServerT]],
    method: Callable[Concatenate[ServerT, Arguments], object],
    /,
    *arguments: Arguments.args,
    **keywords: Arguments.kwargs,
) -> None:
    """Let many processes run a method, without waiting and without answers. Each as `Pid.cast` does.

    Raises:
        UnknownMethod: one of the classes has no such public method; the processes before it have got the cast.
    """
    for pid in pids:
        pid.cast(method, *arguments, **keywords)


class _Failure:
    """A call that raised."""

    __slots__ = ("error",)

    def __init__(self, error: HeadwaterError) -> None:
        self.error = error


async def _attempt(
    pid: Pid[ServerT], method: Callable[..., object], arguments: tuple[object, ...], keywords: Mapping[str, object]
) -> object:
    try:
        return await pid.call(method, *arguments, **keywords)
    except HeadwaterError as error:
        return _Failure(error)
