"""Agent: a process that holds a state, and functions that are run in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from headwater.errors import WrongArguments
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.genserver import GenServer
from headwater.runtime.guarded import GuardedHandlers
from headwater.runtime.pid import CALL_TIMEOUT, Pid
from headwater.runtime.system import System

State = TypeVar("State")
Answer = TypeVar("Answer")
First = TypeVar("First")
FunctionT = TypeVar("FunctionT")


class AgentProcess(GenServer, handlers=GuardedHandlers):
    """The process of an agent. Under a supervisor: `Child(AgentProcess, dict, name="settings")`."""

    def init(self, make: Callable[[], object]) -> None:
        """Begin with the state that `make` returns, which is called in the process."""
        self.state = make()

    def apply(self, function: Callable[[object], tuple[object, object]]) -> object:
        """Run a function on the state that returns an answer and the next state. Used by `Agent`."""
        answer, self.state = function(self.state)
        return answer


class Agent(Generic[State]):
    """A state that one process owns, for cases that need no class of their own.

        scores = await Agent.start(system, dict[str, int])
        await scores.update(lambda state: {**state, "ada": 3})
        assert await scores.get(lambda state: state["ada"]) == 3

    The functions run in the agent, one at a time, in the order in which they came; while one runs, the others wait.
    A function is sync. If it raises, the agent ends, and the caller gets `ProcessDown`; `Rejected` is an answer, and
    leaves the state as it was. What `get` returns is the state itself, not a copy: don't change it outside.

    What is no function is refused with `WrongArguments`. Every method but `cast` raises `ProcessDown` if the agent has
    ended, and `DeadlineExceeded` if it doesn't answer within 5 s, or what `within` says: the function may still run.

    Args:
        pid: the address of the agent's process.
    """

    __slots__ = ("pid",)

    def __init__(self, pid: Pid[AgentProcess]) -> None:
        self.pid = pid

    @staticmethod
    async def start(system: System, make: Callable[[], First], *, name: str | None = None) -> Agent[First]:
        """Start an agent that stands on its own.

        Args:
            system: where it lives.
            make: makes the first state; called in the agent.
            name: its name in the system.

        Raises:
            StartFailed: `make` raised.
            NameTaken: a living process has the name.
        """
        return Agent(await system.start(AgentProcess, make, name=name))

    def within(self, seconds: float | None) -> Agent[State]:
        """The same agent, whose methods wait so long for an answer; None waits for ever.

        Raises:
            ValueError: the time isn't positive.
        """
        return Agent(self.pid.within(seconds))

    async def get(self, function: Callable[[State], Answer]) -> Answer:
        """What the function returns for the state."""
        _checked(function)

        def keep(state: State) -> tuple[Answer, State]:
            return function(state), state

        return await self.get_and_update(keep)

    async def update(self, function: Callable[[State], State]) -> None:
        """Replace the state by what the function returns for it."""
        await self.get_and_update(_silent(function))

    async def get_and_update(self, function: Callable[[State], tuple[Answer, State]]) -> Answer:
        """Let the function return an answer and the next state. Returns the answer."""
        answer = await self.pid.call(AgentProcess.apply, _untyped(_checked(function)))
        return cast("Answer", answer)

    def cast(self, function: Callable[[State], State]) -> None:
        """Replace the state by what the function returns, without waiting. Silently dropped if the agent is dead."""
        self.pid.cast(AgentProcess.apply, _untyped(_silent(function)))

    async def stop(self, reason: Reason = Exit.NORMAL, timeout: float | None = CALL_TIMEOUT) -> None:
        """End the agent, after what was sent to it before. See `Pid.stop`."""
        await self.pid.stop(reason, timeout)


def _checked(function: FunctionT) -> FunctionT:
    if not callable(function):
        raise WrongArguments(f"an agent runs functions; {function!r} is none")
    return function


def _silent(function: Callable[[State], State]) -> Callable[[State], tuple[None, State]]:
    _checked(function)
    return lambda state: (None, function(state))


def _untyped(function: Callable[[State], tuple[object, State]]) -> Callable[[object], tuple[object, object]]:
    return cast("Callable[[object], tuple[object, object]]", function)
