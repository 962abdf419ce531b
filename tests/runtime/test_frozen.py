"""Frozen messages: a debug mode in which nothing mutable is sent."""

import asyncio
import dataclasses
import datetime as dt
import enum
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest

from headwater import Agent, Child, Deferred, GenServer, Pid, Supervisor, System
from headwater.errors import HeadwaterError, MutableMessage, ProcessDown
from headwater.runtime import introspect


class Colour(enum.Enum):
    RED = 1


class Frozen(msgspec.Struct, frozen=True):
    items: object = ()


class Loose(msgspec.Struct):
    items: object = ()


@dataclasses.dataclass(frozen=True)
class FrozenRecord:
    items: object = ()


@dataclasses.dataclass
class LooseRecord:
    items: object = ()


class Shared:
    __shared__ = True


class Cart(GenServer):
    def init(self, *given: object) -> None:
        self.seen = list(given)

    def put(self, *items: object, note: object = None) -> int:
        self.seen.extend(items)
        return len(self.seen)

    def give(self, value: object) -> object:
        return value

    async def give_slowly(self, value: Callable[[], object]) -> object:
        await asyncio.sleep(0)
        return value()

    def give_later(self, value: Callable[[], object]) -> Deferred[object]:
        deferred = self.defer(object)
        self._cell.node.loop.call_soon(lambda: deferred.reply(value()))
        return deferred

    def make(self, value: Callable[[], object]) -> object:
        return value()

    def handle_info(self, message: object) -> None:
        self.seen.append(message)


def frozen(scenario: Coroutine[object, object, None], system: System) -> None:
    async def main() -> None:
        async with system:
            await scenario

    asyncio.run(main())


IMMUTABLE = [
    None, True, 1, 1.5, 1j, "text", b"bytes", Decimal(1), Colour.RED, dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    Path("x"), range(3), len, int, ValueError([1]), (1, ("a", frozenset({2}))), MappingProxyType({"a": (1,)}),
    Frozen((1, 2)), FrozenRecord("a"), Shared(), lambda: None,
]  # fmt: skip

MUTABLE = [
    ([1], "argument 0 is a list; send a tuple"),
    (({"a": 1},), "argument 0[0] is a dict; send a types.MappingProxyType or a frozen struct"),
    ((1, ({2},)), "argument 0[1][0] is a set; send a frozenset"),
    (bytearray(b"a"), "argument 0 is a bytearray; send bytes"),
    (MappingProxyType({"a": (0, 1, [3])}), "argument 0['a'][2] is a list; send a tuple"),
    (Frozen((1, [2])), "argument 0.items[1] is a list; send a tuple"),
    (FrozenRecord(Loose()), "argument 0.items is a Loose; send a frozen one"),
    (LooseRecord(), "argument 0 is a LooseRecord; send a frozen one"),
    (object(), "argument 0 is a object; send immutable values"),
]


@pytest.mark.row("BR-07")
def test_immutable_values_pass_by_every_way() -> None:
    system = System(frozen_messages=True)

    async def scenario() -> None:
        cart = await system.start(Cart)
        for value in [*IMMUTABLE, cart]:
            await cart.call(Cart.put, value, note=value)
            cart.cast(Cart.put, value)
            cart.send(value)
        assert await cart.call(Cart.put) == 3 * (len(IMMUTABLE) + 1)

    frozen(scenario(), system)


@pytest.mark.row("BR-07")
@pytest.mark.parametrize(("value", "complaint"), MUTABLE)
def test_a_mutable_value_is_refused_with_its_path_in_the_senders_turn(value: object, complaint: str) -> None:
    system = System(frozen_messages=True)

    async def scenario() -> None:
        cart = await system.start(Cart, name="cart")
        with pytest.raises(MutableMessage) as refused:
            await cart.call(Cart.put, value)
        assert str(refused.value) == f"Cart 'cart' put: {complaint}"
        with pytest.raises(MutableMessage, match="put: note"):
            cart.cast(Cart.put, 1, note=value)
        with pytest.raises(MutableMessage, match="handle_info: argument 0"):
            cart.send(value)
        assert await cart.call(Cart.put) == 0  # nothing arrived, and the process lives
        assert isinstance(refused.value, HeadwaterError)

    frozen(scenario(), system)


@pytest.mark.row("BR-07")
@pytest.mark.parametrize("method", [Cart.make, Cart.give_slowly, Cart.give_later])
def test_a_mutable_answer_is_kept_from_the_caller_and_the_process_lives(method: Callable[..., object]) -> None:
    system = System(frozen_messages=True)

    async def scenario() -> None:
        cart = await system.start(Cart, name="cart")
        for value, complaint in MUTABLE:
            with pytest.raises(MutableMessage) as refused:
                await cart.call(method, lambda value=value: value)
            assert str(refused.value) == f"Cart 'cart' {method.__name__}: {complaint.replace('argument 0', 'answer')}"
        for value in IMMUTABLE:
            assert await cart.call(method, lambda value=value: value) is value
        cart.cast(method, list)  # nobody gets that answer
        assert await cart.call(Cart.give, 5) == 5

    frozen(scenario(), system)


@pytest.mark.row("BR-07")
def test_what_supervisors_and_agents_answer() -> None:
    system = System(frozen_messages=True)

    async def scenario() -> None:
        supervisor = await system.start(Supervisor, [Child(Cart, name="cart")])
        assert [child.id for child in await supervisor.call(Supervisor.which_children)] == ["cart"]
        scores = await Agent.start(system, list[int])
        with pytest.raises(MutableMessage, match="answer is a list"):
            await scores.get(lambda state: state)
        assert await scores.get(len) == 0

    frozen(scenario(), system)


@pytest.mark.row("BR-07", "GS-15")
def test_a_crash_report_still_names_the_client(caplog: pytest.LogCaptureFixture) -> None:
    system = System(frozen_messages=True)

    async def scenario() -> None:
        cart = await system.start(Cart)
        with pytest.raises(ProcessDown):
            await cart.call(Cart.give_slowly, lambda: 1 // 0)

    frozen(scenario(), system)
    assert "client: scenario" in caplog.text


@pytest.mark.row("BR-07")
def test_measuring_and_supervision_go_on_as_usual() -> None:
    system = System(frozen_messages=True)

    async def scenario() -> None:
        supervisor = await system.start(Supervisor, [Child(Cart, name="cart")])
        cart: Pid[Cart] = system.named(Cart, "cart")
        introspect.measure(cart)
        cart.exit(ValueError("boom"))
        await supervisor.call(Supervisor.which_children)
        again = system.named(Cart, "cart")
        assert again != cart
        introspect.measure(again)
        await introspect.no_debug(again)
        with pytest.raises(MutableMessage):
            await again.call(Cart.put, [])
        await again.stop()

    frozen(scenario(), system)


@pytest.mark.row("BR-07")
def test_without_it_nothing_is_checked() -> None:
    system = System()

    async def scenario() -> None:
        cart = await system.start(Cart)
        assert await cart.call(Cart.put, [1]) == 1
        assert cart.process.observers == ()

    frozen(scenario(), system)
