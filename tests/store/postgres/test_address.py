"""What a PostgreSQL URL says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import NotAStore
from headwater.store.postgres.address import SCHEMA, parse_postgres_url
from headwater.store.url import parse_url


def test_what_is_ours_is_taken_out_of_it() -> None:
    url = "postgresql://me:sec%20ret@db:5433/shop?schema=t_1&sslmode=require&durability=relaxed"
    parsed = parse_url(url)
    assert parsed.durability == "relaxed"
    assert parsed.postgres is not None
    assert parsed.postgres.schema == "t_1"
    assert parsed.postgres.dsn == "postgresql://me:sec%20ret@db:5433/shop?sslmode=require"
    assert parsed.postgres.location == "postgresql://me@db:5433/shop?schema=t_1"
    assert parsed.postgres.session is None


def test_what_need_not_be_said() -> None:
    address = parse_postgres_url("postgres://db/shop").address
    assert (address.schema, address.pooled, address.location) == (SCHEMA, False, "postgresql://db/shop")
    pooled = parse_postgres_url("postgresql://pooler:6432/shop?session_host=db&session_port=5432").address
    assert pooled.session == ("db", 5432)
    assert pooled.pooled
    assert "session" not in pooled.dsn


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://db:x/shop", "no proper host or port"),
        ("postgresql://me:secret#@db/shop", "quote what"),
        ("postgresql://me:secret@db/shop?schema=Shop", "lower-case"),
        ("postgresql://me:secret@db/shop?schema=", "lower-case"),
        ("postgresql://me:secret@db/shop?schema=pg_catalog", "pg_"),
        ('postgresql://me:secret@db/shop?schema=a"; DROP SCHEMA b; --', "lower-case"),
        ("postgresql://me:secret@db/shop?schema=a&schema=b", "twice"),
        ("postgresql://me:secret@db/shop?durability=some", "full or relaxed"),
        ("postgresql://me:secret@db/shop?session_host=x", "belong together"),
        ("postgresql://me:secret@db/shop?session_host=x&session_port=70000", "belong together"),
        (f"postgresql://me:secret@db/shop?schema={'a' * 41}", "40"),
    ],
)
def test_what_is_wrong_with_it_is_said_without_the_password(url: str, words: str) -> None:
    with pytest.raises(NotAStore, match=words) as raised:
        parse_url(url)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.row("ES-24")
@given(st.text())
def test_no_schema_name_gets_out_of_its_quotes(name: str) -> None:
    try:
        parsed = parse_postgres_url(f"postgresql://db/shop?schema={name}")
    except NotAStore:
        return
    assert parsed.address.schema.replace("_", "a").isalnum()
    assert len(f"headwater:{parsed.address.schema}") < 64  # the longest name of a channel
