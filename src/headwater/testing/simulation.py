"""Simulation: the real runtime in virtual time, in an order that comes from a seed.

    async def scenario(system: System) -> None:
        till = await system.start(Till)
        await asyncio.gather(*(customer(till) for _ in range(3)))
        assert await till.call(Till.total) == 300

    def test_no_payment_is_lost() -> None:
        explore(scenario, seeds=range(100))

`explore` runs the scenario once for each seed, each time in another order of turns, and names the first seed that
fails; `simulate(scenario, seed=17)` runs that one again, with the same history, as often as you like: in a debugger,
with prints, with `introspect.trace`. Timers, deadlines and restarts take no real time.

Same seed, same history holds as long as the scenario takes time and chance from its system (`system.clock`,
`system.rng`, `asyncio.sleep`), uses neither threads nor sockets nor files that change, and goes through no set of
objects in the order of their addresses. A set of strings has another order in each Python process, unless
PYTHONHASHSEED is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import TypeAlias, TypeVar

from headwater.runtime.system import System
from headwater.testing.clock import LoopClock
from headwater.testing.scheduler import SimulatedLoop, SimulationError

Result = TypeVar("Result")
Scenario: TypeAlias = Callable[[System], Coroutine[object, object, Result]]
"""What happens in a simulation. It gets a running system, and may start more with the same clock and scheduler."""

STEPS: int = 1_000_000
"""How many steps a simulation may take, unless told otherwise."""


class SeedFailed(AssertionError):
    """A scenario failed. `__cause__` is what it raised.

    Attributes:
        seed: what to give to `simulate` to see it again.
    """

    def __init__(self, message: str, *, seed: int) -> None:
        super().__init__(message)
        self.seed = seed


def simulate(scenario: Scenario[Result], *, seed: int = 0, steps: int = STEPS, frozen_messages: bool = False) -> Result:
    """Run a scenario in a system of its own, and return what it returns.

    Args:
        scenario: what happens.
        seed: decides the order of turns, and what `system.rng` gives.
        steps: how many turns and callbacks it may take.
        frozen_messages: see `System`.

    Raises:
        Deadlock: everybody waits, and no timer is set. A call that nobody answers is none: it ends at its deadline.
        Endless: it took more steps than it may.
        Exception: what the scenario raised.
    """
    loop = SimulatedLoop(seed, steps)
    try:
        return loop.run_until_complete(_run(scenario, loop, frozen_messages))
    finally:
        _clear(loop)
        loop.close()


def explore(scenario: Scenario[object], *, seeds: Iterable[int] = range(100), steps: int = STEPS) -> int:
    """Run a scenario with each of the seeds. Returns how many there were.

    Raises:
        SeedFailed: it failed with one of them; the message names it.
    """
    count = 0
    for seed in seeds:
        try:
            simulate(scenario, seed=seed, steps=steps)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise SeedFailed(
                f"seed {seed} fails: {why}\nsee it again with simulate(…, seed={seed})", seed=seed
            ) from error
        count += 1
    return count


async def _run(scenario: Scenario[Result], loop: SimulatedLoop, frozen_messages: bool) -> Result:
    clock = LoopClock(loop)
    async with System(
        "simulation", clock=clock, rng=loop.rng, scheduler=loop.scheduler, frozen_messages=frozen_messages
    ) as system:
        return await scenario(system)


def _clear(loop: SimulatedLoop) -> None:
    """Cancel what is left, the scenario first, so that nothing outlives its simulation."""
    loop.allow(STEPS)
    for task in sorted(asyncio.all_tasks(loop), key=hash):
        task.cancel()
        with suppress(SimulationError):
            loop.run_until_complete(asyncio.wait([task]))
    loop.run_until_complete(loop.shutdown_asyncgens())
