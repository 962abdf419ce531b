"""Type names, JSON, and what doesn't fit."""

from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Event
from headwater.codec import Codec, TypeName, TypeRegistry
from headwater.errors import CodecError, DefinitionError, Undecodable, UnknownType


class Filled(Event, name="trade.filled"):
    order: int
    side: Literal["buy", "sell"]
    note: str = ""


class FilledTwo(Event, name="trade.filled", version=2):
    order: int


class Stamped(Event):
    at: datetime
    extra: object = None


def codec(*events: type[Event]) -> Codec:
    return Codec(TypeRegistry((event, event.type_name) for event in events))


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["buy", "sell"]), st.text())
def test_what_was_encoded_is_decoded(order: int, side: Literal["buy", "sell"], note: str) -> None:
    coding = codec(Filled)
    name, data = coding.encode(Filled(order, side, note))
    assert name == ("trade.filled", 1)
    assert coding.decode(name, data) == coding.decode(name, data.decode()) == Filled(order, side, note)


def test_the_bytes_are_plain_json() -> None:
    assert codec(Filled).encode(Filled(7, "buy", "ü"))[1] == '{"order":7,"side":"buy","note":"ü"}'.encode()
    moment = datetime(2026, 5, 2, tzinfo=UTC)
    assert codec(Stamped).encode(Stamped(moment))[1] == b'{"at":"2026-05-02T00:00:00Z","extra":null}'


def test_versions_of_one_name_are_different_types() -> None:
    coding = codec(Filled, FilledTwo)
    assert coding.decode(TypeName("trade.filled", 1), b'{"order":1,"side":"buy"}') == Filled(1, "buy")
    assert coding.decode(TypeName("trade.filled", 2), b'{"order":1,"side":"buy"}') == FilledTwo(1)


def test_what_is_not_registered_is_named_together_with_what_is() -> None:
    with pytest.raises(UnknownType, match=r"trade\.other v3; known: trade\.filled v1") as caught:
        codec(Filled).decode(TypeName("trade.other", 3), b"{}")
    assert (caught.value.name, caught.value.version) == ("trade.other", 3)
    with pytest.raises(UnknownType, match=r"Stamped is not registered; known: trade\.filled v1"):
        codec(Filled).encode(Stamped(datetime.now(UTC)))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"order":"x","side":"buy"}', r"\$\.order"),
        (b'{"side":"buy"}', "order"),
        (b'{"order":1,"side":"hold"}', r"\$\.side"),
        (b'{"order":1,', "truncated"),
        (b"\xff\xfe", "invalid|malformed"),
        (b"", "truncated"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_with_the_field(data: bytes, told: str) -> None:
    with pytest.raises(Undecodable, match=f"(?i)trade.filled v1 could not be decoded: .*({told})"):
        codec(Filled).decode(TypeName("trade.filled", 1), data)


def test_values_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(CodecError, match="Stamped v1 could not be encoded"):
        codec(Stamped).encode(Stamped(datetime.now(UTC), extra=object()))


def test_a_name_and_a_class_belong_to_each_other() -> None:
    registry = TypeRegistry([(Filled, Filled.type_name)])
    registry.register(Filled, Filled.type_name)
    with pytest.raises(DefinitionError, match=r"stands for .*Filled already"):
        registry.register(Stamped, Filled.type_name)
    with pytest.raises(DefinitionError, match=r"is called trade\.filled v1 already"):
        registry.register(Filled, TypeName("other", 1))
    with pytest.raises(DefinitionError, match="starts at 1"):
        registry.register(Stamped, TypeName("stamped", 0))
    assert registry.names() == ["trade.filled v1"]


def test_a_message_is_frozen_named_and_compared_by_value() -> None:
    assert Stamped.type_name == ("Stamped", 1)
    assert FilledTwo.type_name == ("trade.filled", 2)
    assert Filled(1, "buy") == Filled(order=1, side="buy", note="")
    with pytest.raises(AttributeError):
        Filled(1, "buy").order = 2
    with pytest.raises(DefinitionError, match="starts at 1"):

        class Bad(Event, version=0):
            pass
