"""The lock file: packing loses nothing, and every change is told key by key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stspec import compose
from stspec.analysis.lock import compare, lock_text, pack, states, unpack
from stspec.cli.main import main
from stspec.compose import names
from stspec.network import load

PARTS = st.sampled_from(["conv1", "bn", "0", "1", "2", "layer1", "weight", "bias"])
KEYS = st.lists(PARTS, min_size=1, max_size=5).map(".".join)
SHAPES = st.lists(st.integers(1, 5), max_size=5).map(tuple)


def is_state(state: dict[str, tuple[int, ...]]) -> bool:
    """A module is either a tensor or an owner, never both."""
    return not any(a != b and b.startswith(a + ".") for a in state for b in state)


@given(st.dictionaries(KEYS, SHAPES, max_size=20).filter(is_state))
def test_packing_loses_nothing(state: dict[str, tuple[int, ...]]) -> None:
    assert unpack(pack(state)) == state


FLAT = {"c3d", "two_stream", "two_stream_fused"}
"""Networks without norms and blocks: C3D, VGG."""


@pytest.mark.parametrize("name", sorted(names("model")))
def test_models_are_packed_in_few_lines(name: str) -> None:
    state = load(name).state
    packed = pack(state)
    assert unpack(packed) == state
    assert len(packed) <= len(state) / (1 if name in FLAT else 4)


def test_equal_blocks_are_told_once() -> None:
    packed = pack(load("tam_resnet50").state)
    assert "layer3.1-5" in packed
    assert "tam.weight 1024x1x3x1x1" in packed["layer3.1-5"]


def specs(text: str) -> dict[str, object]:
    value = json.loads(text)["specs"]
    assert isinstance(value, dict)
    return value


def test_a_change_names_the_spec_and_the_keys() -> None:
    before = specs(
        lock_text({"a": load("tsn_resnet18"), "b": load("tsn_resnet18"), "c": load("tsn")})
    )
    after = {"a": load("tam_resnet18"), "b": load("tsn_resnet18"), "d": load("tsn")}
    told = {change.spec: change.told for change in compare(before, after)}
    assert told.keys() == {"a", "c", "d"}
    assert "+ layer1.0.tam.weight 64x1x3x1x1" in told["a"]
    assert told["c"] == ("is gone",)
    assert told["d"] == ("is new",)
    resized = {**after, "a": load("tsn_resnet18", ["classes=11"])}
    (change, *_) = compare(before, resized)
    assert change.told == ("~ fc.weight 400x512 -> 11x512", "~ fc.bias 400 -> 11")


def test_another_filling_is_told() -> None:
    before = specs(lock_text({"a": load("i3d")}))
    (change,) = compare(before, {"a": load("i3d", ["policy.inflate=center"])})
    assert "filled otherwise" in change.told[0]


def test_specs_with_equal_keys_share_them() -> None:
    text = lock_text({"a": load("tsn"), "b": load("tsm")})
    assert json.loads(text)["specs"]["b"]["state"] == "a"
    recorded = states(specs(text))
    assert recorded["a"] == recorded["b"] == load("tsn").state


def test_the_shipped_specs_keep_their_keys(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["lock", "--check"])
    assert code == 0, capsys.readouterr().out + "\nif this is meant: run `stspec lock`"


def test_the_command_writes_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock.json"
    few = {name: compose.index()[name] for name in ("tam_resnet18", "tsn_resnet18")}
    monkeypatch.setattr(compose, "index", lambda: few)
    text = lock_text({name: load(name) for name in few})
    path.write_text(text.replace("64x3x7x7", "64x3x5x5", 1))
    assert main(["lock", "--check", "-o", str(path)]) == 1
    assert "~ conv1.weight 64x3x5x5 -> 64x3x7x7" in capsys.readouterr().out
    assert main(["lock", "-o", str(path)]) == 0
    assert path.read_text() == text
    path.write_text("broken")
    assert main(["lock", "-o", str(path)]) == 0
    assert path.read_text() == text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lock": 9}', '{"lock": 1, "specs": {"a": 3}}'])
def test_a_broken_lock_is_answered(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lock.json"
    path.write_text(text)
    assert main(["lock", "--check", "-o", str(path)]) == 2
    assert "bad-lock" in capsys.readouterr().err
