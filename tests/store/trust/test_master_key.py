"""Master keys: their form, and changing them."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import EventStore, generate_master_key
from headwater.errors import InvalidMasterKey, MasterKeyMissing, WrongMasterKey
from headwater.store.cipher import InvalidTag, SubjectCipher, new_key, unwrap, wrap
from headwater.store.master_key import MasterKeys
from tests.store.driving import scenario

from .people import MASTER, OTHER, Registered, codec, events_of, opened

values = st.binary(max_size=200)


def test_a_master_key_is_32_bytes_in_base64() -> None:
    assert MasterKeys(generate_master_key()).current != MasterKeys(generate_master_key()).current
    assert MasterKeys(MASTER.rstrip() + " , " + OTHER).current == MasterKeys(MASTER).current
    secret = "c2hvcnQgc2VjcmV0"
    for wrong in ("", "no base64!", secret, MASTER + ",", MASTER * 2):
        with pytest.raises(InvalidMasterKey, match="32 bytes in base64") as raised:
            MasterKeys(wrong)
        assert secret not in str(raised.value)
    assert MASTER not in repr(MasterKeys(MASTER))


@scenario
async def test_a_store_is_not_opened_with_something_else(tmp_path: Path) -> None:
    with pytest.raises(InvalidMasterKey):
        await opened(tmp_path, master="nonsense")
    assert list(tmp_path.iterdir()) == []


@scenario
async def test_the_environment_gives_the_master_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_MASTER_KEY", MASTER)
    async with await EventStore.open("memory://", codec()) as store:
        await store.append("s", [Registered("p-1", "Ann")])
        assert await events_of(store) == [Registered("p-1", "Ann")]


@pytest.mark.row("BS-07")
@scenario
async def test_the_master_key_is_changed(tmp_path: Path) -> None:
    people = [Registered(f"p-{n}", "Ann") for n in range(2_500)]
    async with await opened(tmp_path) as store:
        await store.append("s", people)
        await store.forget("p-7")
    seen: list[int] = []
    async with await opened(tmp_path, master=f"{OTHER},{MASTER}") as store:
        await store.append("s", [Registered("p-new", "New")])
        assert await store.rewrap_keys(seen.append) == 2_499
        assert await store.rewrap_keys() == 0
    assert seen == [1_000, 2_000, 2_501]
    async with await opened(tmp_path, master=OTHER) as store:
        found = await events_of(store)
        assert found == [*people[:7], Registered("p-7", None), *people[8:], Registered("p-new", "New")]
    async with await opened(tmp_path, master=MASTER) as store:
        with pytest.raises(WrongMasterKey):
            await events_of(store)


@scenario
async def test_keys_can_not_be_wrapped_anew_without_the_old_master_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADWATER_MASTER_KEY", raising=False)
    async with await opened(tmp_path) as store:
        await store.append("s", [Registered("p-1", "Ann")])
    async with await opened(tmp_path, master=OTHER) as store:
        with pytest.raises(WrongMasterKey):
            await store.rewrap_keys()
    async with await opened(tmp_path, master=None) as store:
        with pytest.raises(MasterKeyMissing):
            await store.rewrap_keys()


@given(values, values, st.text(max_size=10), st.text(max_size=10))
def test_a_value_is_encrypted_the_same_way_in_its_place_and_opens_nowhere_else(
    value: bytes, other: bytes, field: str, other_field: str
) -> None:
    key, event = new_key(), bytes(16)
    cipher = SubjectCipher(key)
    sealed = cipher.encrypt(event, field, value)
    assert SubjectCipher(key).encrypt(event, field, value) == sealed
    assert SubjectCipher(key).decrypt(event, field, sealed) == value
    if value != other:
        assert cipher.encrypt(event, field, other)[:12] != sealed[:12]
    for place in ((bytes(15) + b"\x01", field), (event, field + "x")):
        assert cipher.encrypt(*place, value)[:12] != sealed[:12]
        with pytest.raises(InvalidTag):
            cipher.decrypt(*place, sealed)
    with pytest.raises(InvalidTag):
        SubjectCipher(new_key()).decrypt(event, field, sealed)


def test_a_wrapped_key_is_bound_to_its_subject() -> None:
    key, master = new_key(), new_key()
    wrapped = wrap(master, "p-1", key)
    assert unwrap(master, "p-1", wrapped) == key
    for wrong in ((new_key(), "p-1"), (master, "p-2")):
        with pytest.raises(InvalidTag):
            unwrap(*wrong, wrapped)


def _python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.row("BR-09")
def test_the_library_is_loaded_only_when_needed_and_missed_with_a_word_on_how_to_get_it() -> None:
    program = """
import asyncio, sys
import headwater, headwater.cli.main
from headwater import Codec, Event, EventStore, Personal, generate_master_key
from headwater.errors import MissingExtra

class Registered(Event, subject="person"):
    person: str
    name: Personal[str]

async def main():
    print([name for name in sys.modules if name.split(".")[0] == "cryptography"])
    sys.modules["cryptography"] = None
    async with await EventStore.open("memory://", Codec.of(Registered), master_key=generate_master_key()) as store:
        try:
            await store.append("s", [Registered("p-1", "Ann")])
        except MissingExtra as error:
            print(error, await store.head())

asyncio.run(main())
"""
    done = _python(program)
    assert done.stderr == ""
    assert done.stdout == "[]\ncryptography isn't installed: pip install 'headwater[erasure]' 0\n"
