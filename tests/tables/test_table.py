"""Tables in memory."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Table
from headwater.errors import DefinitionError


class Item(msgspec.Struct, frozen=True):
    key: int
    value: str


class Loose(msgspec.Struct):
    key: int


operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5), st.text(max_size=2)),
        st.tuples(st.just("delete"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("get"), st.integers(0, 5), st.just("")),
    )
)


@given(operations)
def test_a_table_is_like_a_dict_of_its_rows(steps: list[tuple[str, int, str]]) -> None:
    table, model = Table(Item, "key"), dict[int, Item]()
    for action, key, value in steps:
        match action:
            case "put":
                table.insert(Item(key, value))
                model[key] = Item(key, value)
            case "delete":
                assert table.delete(key) is (model.pop(key, None) is not None)
            case _:
                assert table.lookup(key) == model.get(key)
        assert table.rows() == list(model.values())
        assert len(table) == len(model)
        assert all(key in table for key in model)


def test_rows_can_be_iterated_while_others_write() -> None:
    table = Table(Item, "key")
    for key in range(5):
        table.insert(Item(key, "old"))
    seen = []
    for row in table:
        table.delete(row.key)
        table.insert(Item(row.key + 100, "new"))
        seen.append(row.key)
    assert seen == [0, 1, 2, 3, 4]


def test_what_is_no_row_is_refused() -> None:
    with pytest.raises(DefinitionError, match="frozen"):
        Table(Loose, "key")
    with pytest.raises(DefinitionError, match="no field 'id'; it has key, value"):
        Table(Item, "id")
    with pytest.raises(TypeError, match="holds Item rows, not int"):
        Table(Item, "key").insert(7)  # type: ignore[arg-type]  # that is the point
