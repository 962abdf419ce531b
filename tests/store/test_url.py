"""Where a store is, as a URL."""

import os
from pathlib import Path

import pytest

from headwater.errors import NotAStore
from headwater.store.store import EventStore
from headwater.store.url import parse_url

from .driving import Deposited, codec, names_in, scenario


def test_relative_and_absolute() -> None:
    assert parse_url("sqlite:///bank.db") == (Path("bank.db"), None, None)
    assert parse_url("sqlite:///data/my%20bank.db") == (Path("data/my%20bank.db"), None, None)
    assert parse_url("sqlite:////var/lib/bank.db") == (Path("/var/lib/bank.db"), None, None)
    assert parse_url("sqlite:///bank.db?durability=full") == (Path("bank.db"), "full", None)
    assert parse_url("sqlite:///bank.db?durability=relaxed") == (Path("bank.db"), "relaxed", None)
    assert parse_url("memory://") == (None, None, None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("bank.db", "is not a URL"),
        ("", "is not a URL"),
        ("mysql://host/bank", "no event store for mysql://"),
        ("sqlite://bank.db", "too few slashes"),
        ("sqlite:///", "names no file"),
        ("sqlite:///data/", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///bank.db?mode=ro", "an option 'mode=ro'; there are durability=full"),
        ("memory://bank", "memory has no names"),
        ("sqlite:///ba\x00nk.db", "that no path has"),
    ],
)
def test_what_is_no_url_of_a_store(url: str, words: str) -> None:
    with pytest.raises(NotAStore, match=words) as caught:
        parse_url(url)
    if not any(word in words for word in ("option", "no path", "no names")):
        assert "sqlite:///relative.db" in str(caught.value)


@scenario
async def test_open_by_url_and_stay_there_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    async with await EventStore.open("sqlite:///bank.db", codec()) as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        await store.append("s", [Deposited(1)])
        assert store.location == os.fspath(tmp_path / "bank.db")
    assert names_in(tmp_path) == ["bank.db", "elsewhere"]
    assert names_in(tmp_path / "elsewhere") == []
    async with await EventStore.open(f"sqlite:///{tmp_path}/bank.db", codec(), create=False) as store:
        assert await store.head() == 1
    with pytest.raises(NotAStore, match="there is no event store here"):
        await EventStore.open(f"sqlite:///{tmp_path}/other.db", codec(), create=False)
    with pytest.raises(NotAStore, match="there is no event store here"):
        await EventStore.open(f"sqlite:///{tmp_path}/other.db", codec(), read_only=True)
    assert names_in(tmp_path) == ["bank.db", "elsewhere"]
