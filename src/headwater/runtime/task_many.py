"""Waiting for several tasks at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from headwater.errors import DefinitionError
from headwater.runtime.pid import CALL_TIMEOUT
from headwater.runtime.task import Task
from headwater.runtime.task_outcome import Ended, Returned
from headwater.runtime.task_wait import wait_for_some

Result = TypeVar("Result")

OnTimeout: TypeAlias = Literal["nothing", "ignore", "kill_task"]
"""What `yield_many` does with tasks that have no result in time: leave them, ignore them, or kill them."""

ON_TIMEOUT: Final = ("nothing", "ignore", "kill_task")


async def await_many(tasks: Sequence[Task[Result]], timeout: float | None = CALL_TIMEOUT) -> list[Result]:
    """Wait for the results of all, in the order of the tasks.

    Args:
        tasks: the caller's tasks, each once.
        timeout: seconds for all of them; None waits for ever. When they are over, those that are linked and have no
            result yet are ended.

    Raises:
        ProcessDown: one of them ended without a result. It is raised at once; the others go on.
        DeadlineExceeded: not all results came in time.
        NotOwner: somebody else owns one of the tasks.
    """
    for task in tasks:
        task.check_owner()
    await wait_for_some(tasks, len(tasks), timeout, hasty=True)
    for task in tasks:
        if task.failed:
            raise task.down()
    late = [task.give_up(timeout) for task in tasks if not task.settled]
    if late:
        raise late[0]
    return [await task.result(0) for task in tasks]


async def yield_many(
    tasks: Sequence[Task[Result]],
    timeout: float | None = CALL_TIMEOUT,
    *,
    limit: int | None = None,
    on_timeout: OnTimeout = "nothing",
) -> list[tuple[Task[Result], Returned[Result] | Ended | None]]:
    """Look how several tasks went, waiting some time for them.

    Args:
        tasks: the caller's tasks, each once.
        timeout: seconds to wait for them; 0 doesn't wait, None waits for ever.
        limit: how many to wait for; all, if not given.
        on_timeout: what to do with those that run still when the time is over. Not done if `limit` was reached.

    Returns:
        Each task with its outcome, or None if it has none; in the order of the tasks.

    Raises:
        NotOwner: somebody else owns one of the tasks.
        DefinitionError: a limit below 1, or no such `on_timeout`.
    """
    if on_timeout not in ON_TIMEOUT or (limit is not None and limit < 1):
        raise DefinitionError(f"limit is at least 1 and on_timeout one of {', '.join(ON_TIMEOUT)}")
    for task in tasks:
        task.check_owner()
    count = len(tasks) if limit is None else min(limit, len(tasks))
    await wait_for_some(tasks, count, timeout)
    late = sum(task.settled for task in tasks) < count
    return [(task, await _look_at(task, on_timeout if late else "nothing")) for task in tasks]


async def _look_at(task: Task[Result], on_timeout: OnTimeout) -> Returned[Result] | Ended | None:
    match on_timeout:
        case "ignore" if not task.settled:
            return task.ignore()
        case "kill_task" if not task.settled:
            return await task.shutdown(0)
        case _:
            return task.take()
