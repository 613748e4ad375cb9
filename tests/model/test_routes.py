import pytest
from hypothesis import given
from hypothesis import strategies as st

from twind.model.routes import TopicPattern, overlapping

_NAME = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
_LEVELS = st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), min_size=1, max_size=4)


def _pattern(levels: list[tuple[bool, str]]) -> TopicPattern:
    return TopicPattern("/".join(f"{{p{i}}}" if wild else text for i, (wild, text) in enumerate(levels)))


def test_a_placeholder_stands_for_one_level_and_gives_its_value() -> None:
    pattern = TopicPattern("cell/{entity}/joint_state")
    assert pattern.match("cell/arm_1/joint_state") == {"entity": "arm_1"}
    assert pattern.mqtt_filter == "cell/+/joint_state"


@pytest.mark.parametrize(
    "topic", ["cell/joint_state", "cell/a/b/joint_state", "cell//joint_state", "cell/a/joint_states", "x/a/joint_state"]
)
def test_a_topic_that_differs_in_any_level_does_not_match(topic: str) -> None:
    assert TopicPattern("cell/{entity}/joint_state").match(topic) is None


def test_characters_that_mean_something_to_regular_expressions_are_plain() -> None:
    assert TopicPattern("a.b/{e}").match("axb/1") is None
    assert TopicPattern("a.b/{e}").match("a.b/1") == {"e": "1"}


@pytest.mark.parametrize("text", ["", "a/+/b", "a/#", "a/{x}{y}", "a/x{y}", "{e}/{e}", "a/{}"])
def test_patterns_that_could_not_be_matched_by_name_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        TopicPattern(text)


@given(_LEVELS, _LEVELS, st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
def test_a_topic_that_two_patterns_match_proves_that_they_overlap(
    first: list[tuple[bool, str]], second: list[tuple[bool, str]], topic: list[str]
) -> None:
    one, two = _pattern(first), _pattern(second)
    both = one.match("/".join(topic)) is not None and two.match("/".join(topic)) is not None
    assert not both or one.overlaps(two)


@given(_LEVELS, _LEVELS)
def test_overlap_is_symmetric_and_has_a_witness(first: list[tuple[bool, str]], second: list[tuple[bool, str]]) -> None:
    one, two = _pattern(first), _pattern(second)
    assert one.overlaps(two) == two.overlaps(one)
    if one.overlaps(two):
        witness = "/".join(b if wild else a for (wild, a), (_, b) in zip(first, second, strict=True))
        assert one.match(witness) is not None
        assert two.match(witness) is not None


def test_overlapping_names_the_pairs() -> None:
    patterns = [TopicPattern(text) for text in ("a/{x}", "b/{x}", "{y}/c")]
    assert overlapping(patterns) == [(0, 2), (1, 2)]
