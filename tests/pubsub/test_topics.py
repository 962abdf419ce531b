"""The index of topics, beside a plain model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidTopicSubscription
from headwater.pubsub.entry import Entry
from headwater.pubsub.topics import TopicIndex


class Nobody:
    def send(self, message: object) -> None:
        raise AssertionError(message)


NOBODY = Nobody()
TOPICS = ("a", "b", "c")


@pytest.mark.row("PB-11", "PB-02")
@given(
    shards=st.integers(1, 4),
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "remove", "read", "clear"]), st.sampled_from(TOPICS), st.integers(0, 9))
    ),
)
def test_the_index_holds_what_was_added_and_not_removed(shards: int, steps: list[tuple[str, str, int]]) -> None:
    index = TopicIndex(shards)
    model: dict[str, list[Entry]] = {topic: [] for topic in TOPICS}
    for action, topic, number in steps:
        held = model[topic]
        if action == "add":
            held.append(Entry(NOBODY, number))
            index.add(topic, held[-1])
        elif action == "remove" and held:
            index.remove(topic, held.pop(number % len(held)))
        elif action == "clear" and number == 0:
            index.clear()
            model = {topic: [] for topic in TOPICS}
        elif action == "read":
            before = index.entries(topic)
            assert before == tuple(held)
            extra = Entry(NOBODY, "extra")
            index.add(topic, extra)
            assert index.entries(topic) == (*before, extra)
            index.remove(topic, extra)
        for name, entries in model.items():
            assert index.count(name) == len(entries)
            assert index.split(name) == ((), tuple(entry.subscriber for entry in entries))
            assert index.entries(name) == tuple(entries)
        assert len(index) == sum(map(len, model.values()))


@pytest.mark.row("PB-11")
def test_topics_are_spread_over_the_shards() -> None:
    index = TopicIndex(8)
    for number in range(4_000):
        index.add(f"room:{number}", Entry(NOBODY))
    sizes = [len(shard) for shard in index._shards]
    assert sum(sizes) == 4_000
    assert min(sizes) > 300  # 500 on the average; strings hash otherwise in each run


@pytest.mark.row("PB-11")
def test_topics_that_nobody_is_subscribed_to_take_no_room() -> None:
    index = TopicIndex(4)
    for number in range(100):
        entries = [Entry(NOBODY), Entry(NOBODY)]
        for entry in entries:
            index.add(str(number), entry)
        for entry in entries:
            index.remove(str(number), entry)
    assert index.topics == 0
    with pytest.raises(InvalidTopicSubscription):
        TopicIndex(0)
