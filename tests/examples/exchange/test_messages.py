from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.examples.exchange.messages import BookCommand, BookEvent, Traded


@pytest.mark.parametrize("kind", [*get_args(BookCommand), *get_args(BookEvent)])
def test_messages_survive_json(kind: type[msgspec.Struct]) -> None:
    @settings(deadline=None, max_examples=20)
    @given(st.from_type(kind))
    def survives(message: msgspec.Struct) -> None:
        assert msgspec.json.decode(msgspec.json.encode(message), type=kind) == message

    survives()


def test_a_side_is_checked_when_a_message_is_read() -> None:
    with pytest.raises(msgspec.ValidationError, match="taker"):
        msgspec.json.decode('{"buyer":1,"seller":2,"price":3,"volume":4,"taker":"both"}', type=Traded)
