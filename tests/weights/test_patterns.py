from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stspec.weights.patterns import Pattern, PatternError, Template

segments = st.text("abz019_", min_size=1, max_size=4)
keys = st.lists(segments, min_size=1, max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("pattern", "key", "pieces"),
    [
        ("conv1.weight", "conv1.weight", {}),
        ("conv1.weight", "conv1xweight", None),
        ("layer{i}.{j}.conv1.{leaf}", "layer1.0.conv1.bias", {"i": "1", "j": "0", "leaf": "bias"}),
        ("layer{i}.{leaf}", "layer1.0.bias", None),
        ("{path...}.bn.{leaf}", "a.b.bn.bias", {"path": "a.b.", "leaf": "bias"}),
        ("{path...}.bn.{leaf}", "bn.bias", {"path": "", "leaf": "bias"}),
        ("{path...}.bn.{leaf}", "xbn.bias", None),
        ("aux1.{rest...}", "aux1.conv.bn.weight", {"rest": "conv.bn.weight"}),
        ("aux1.{rest...}", "aux1", None),
    ],
)
def test_matching(pattern: str, key: str, pieces: dict[str, str] | None) -> None:
    assert Pattern(pattern, {}).match(key) == pieces


def test_a_table_takes_its_entries_alone_and_the_longest_first() -> None:
    table = {"3x3": "branch2.1", "3x3_reduce": "branch2.0", "W.0": "out"}
    pattern = Pattern("{module}_{unit}.{leaf}", {"unit": table})
    template = Template("{module}.{unit}.{leaf}")
    pieces = pattern.match("3a_3x3_reduce.weight")
    assert pieces is not None
    assert template.write(pieces, {"unit": table}) == "3a.branch2.0.weight"
    assert pattern.match("3a_5x5.weight") is None
    assert pattern.match("nl_W.0.bias") == {"module": "nl", "unit": "W.0", "leaf": "bias"}


@pytest.mark.parametrize(
    "text", ["{", "a.{B}", "{a b}", "{a..}", "{x}.{x}", "conv{1}", "}", "{path....}"]
)
def test_bad_patterns_are_refused(text: str) -> None:
    with pytest.raises(PatternError):
        Pattern(text, {})


@given(keys)
def test_the_widest_pattern_gives_every_key_back(key: str) -> None:
    pieces = Pattern("{path...}.{leaf}", {}).match(key)
    assert pieces is not None
    assert Template("{path...}.{leaf}").write(pieces) == key


@given(keys, keys)
def test_a_literal_pattern_fits_itself_alone(key: str, other: str) -> None:
    pattern = Pattern(key, {})
    assert pattern.match(key) == {}
    assert (pattern.match(other) is None) == (key != other)
