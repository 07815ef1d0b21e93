from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from stspec.diagnostics import SpecError
from stspec.ops.base import Op
from stspec.weights.library import load_importer
from stspec.weights.rules import Importer

HEAD = "stspec: 1\nabout: a code base\ncode_base: https://example.org/code\n"


def read(tmp_path: Path, text: str) -> Importer:
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + text)
    return load_importer(str(path))


def only(importer: Importer, key: str) -> str:
    (route,) = importer.routes(key)
    return route.key


def test_rules_apply_in_order_each_once(tmp_path: Path) -> None:
    importer = read(
        tmp_path,
        """
rules:
  - rename: "a.{leaf}"
    to: "b.{leaf}"
  - rename: "b.{leaf}"
    to: "a.b.{leaf}"
  - rename: "a.{leaf}"
    to: "never.{leaf}"
""",
    )
    assert only(importer, "a.weight") == "a.b.weight"
    assert only(importer, "b.weight") == "a.b.weight"
    assert only(importer, "c.weight") == "c.weight"


def test_several_targets_fork_and_all_go_on(tmp_path: Path) -> None:
    importer = read(
        tmp_path,
        """
rules:
  - rename: "new_fc.{leaf}"
    to: ["fc.{leaf}", "head.{leaf}"]
  - rename: "head.{leaf}"
    to: "classifier.{leaf}"
""",
    )
    assert [r.key for r in importer.routes("new_fc.bias")] == ["fc.bias", "classifier.bias"]


def test_a_dropped_key_goes_no_further(tmp_path: Path) -> None:
    importer = read(
        tmp_path,
        """
rules:
  - {drop: "aux.{rest...}", reason: unused, inert: true}
  - {rename: "aux.{rest...}", to: "{rest...}"}
""",
    )
    (route,) = importer.routes("aux.conv.weight")
    assert (route.dropped, route.inert, route.key) == ("unused", True, "aux.conv.weight")


def test_a_rule_may_ask_for_a_key_of_the_checkpoint(tmp_path: Path) -> None:
    importer = read(
        tmp_path,
        """
prefixes: [net.]
rules:
  - when: "blocks.2.{rest...}"
    rename: "blocks.{n}.{leaf}"
    to: "layer{n}.{leaf}"
  - rename: "blocks.{n}.{leaf}"
    to: "stage{n}.{leaf}"
  - drop: unused
    when: never
    reason: because
""",
    )
    four = importer.among(["blocks.1.weight", "module.net.blocks.2.weight"])
    assert only(four, "blocks.1.weight") == "layer1.weight"
    three = importer.among(["blocks.1.weight", "blocks.3.weight"])
    assert only(three, "blocks.1.weight") == "stage1.weight"
    assert three.routes("unused")[0].dropped is None


def test_prefixes_and_wrappers_are_taken_off(tmp_path: Path) -> None:
    importer = read(tmp_path, "prefixes: [net., backbone.]\n")
    assert only(importer, "module._orig_mod.backbone.net.conv.weight") == "conv.weight"
    assert only(importer, "conv.net.weight") == "conv.net.weight"
    assert only(importer, "model.module.conv.model.weight") == "conv.model.weight"


def test_a_child_comes_before_its_parent(tmp_path: Path) -> None:
    importer = read(
        tmp_path,
        """
extends: tsn_pytorch
prefixes: [wrapped.]
rules:
  - {rename: "head.{leaf}", to: "new_fc.{leaf}"}
""",
    )
    assert importer.routes("wrapped.base_model.head.bias")[0].key == "fc.bias"


def diagnoses(tmp_path: Path, text: str) -> list[tuple[str, str, int]]:
    """Code, message and line of every diagnosis of a file."""
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    return [(d.code, d.message, d.labels[0].span.line - 3) for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("rules: [{drop: x, when: '{X}', reason: y}]", "bad-pattern", "in small letters"),
        ("rule: []\n", "unknown-key", "there is no key `rule`"),
        ("rules: 3\n", "wrong-type", "`rules` must be a list"),
        ("rules: [x]\n", "wrong-type", "`rules[0]` must be a mapping"),
        ("rules: [{about: x}]\n", "bad-rule", "a rule has one of `rename`, `stack`"),
        ("rules: [{rename: a, drop: b}]\n", "bad-rule", "a rule has one of"),
        ("rules: [{rename: a, to: b, dim: 2}]\n", "unknown-key", "`rules[0]` has no key `dim`"),
        ("rules: [{rename: a}]\n", "missing-key", "`rules[0]` lacks the key `to`"),
        ("rules: [{rename: a, to: []}]\n", "bad-length", "`rules[0].to` must have at least 1 item"),
        ("rules: [{drop: a}]\n", "missing-key", "`rules[0]` lacks the key `reason`"),
        ("rules: [{drop: a, reason: b, inert: 1}]\n", "wrong-type", "must be true or false"),
        ("rules: [{rename: 'a.{Leaf}', to: b}]\n", "bad-pattern", "a capture is written"),
        ("rules: [{rename: a, to: '{'}]\n", "bad-pattern", "a capture is written"),
        ("rules: [{rename: 'a.{leaf}', to: '{lief}'}]\n", "unknown-capture", "`lief` is captured"),
        ("rules: [{rename: a, to: b, with: {x: [1]}}]\n", "unknown-capture", "`x` is captured"),
        ("rules: [{rename: 'a.{x}', to: b, with: [x]}]\n", "wrong-type", "`rules[0].with` must be"),
        ("rules: [{rename: 'a.{x}', to: b, with: {x: {1: 0.1}}}]\n", "wrong-type", "must be text"),
        ("rules: [{stack: 'a.{i}', to: a, along: j, dim: 0}]\n", "unknown-capture", "`j`"),
        ("rules: [{stack: 'a.{i}', to: a, along: i, dim: 9}]\n", "out-of-range", "`rules[0].dim`"),
        ("recognise: ['{x']\n", "bad-pattern", "a capture is written"),
        ("advice: [{keys: '{X}', help: x}]\n", "bad-pattern", "in small letters"),
        ("silent: [shfit]\n", "unknown-op", "there is no operator `shfit`"),
        ("tells: [{keys: a, op: shfit}]\n", "unknown-op", "there is no operator `shfit`"),
        ("tells: [{keys: '{X}', op: shift}]\n", "bad-pattern", "in small letters"),
        ("models: {op: con3d}\n", "unknown-op", "there is no operator `con3d`"),
        ("models: {no_op: 3}\n", "unknown-op", "there is no operator `3`"),
        ("models: {has: 'fc<dropuot'}\n", "unknown-op", "no operator or block `dropuot`"),
        ("models: {lacks: 'relation:layer=1'}\n", "unknown-key", "no setting of an operator `lay"),
        ("rules: [{drop: a, reason: b, undo: {op: shfit}}]\n", "unknown-op", "`shfit`"),
        (
            "rules: [{drop: 'a.{b}', reason: c, undo: [{}, {beside: '{b}<shfit'}]}]\n",
            "unknown-op",
            "`shfit`",
        ),
        ("axes: [{keys: a, count: 3, models: {op: shfit}}]\n", "unknown-op", "`shfit`"),
        ("extends: other.yaml\n", "bad-parent", "an importer extends one that comes with"),
        ("extends: ibn\n", "unknown-importer", "there is no importer named `ibn`"),
        ("prefixes: [{}]\n", "wrong-type", "`prefixes[0]` must be text"),
    ],
)
def test_mistakes_are_answered(tmp_path: Path, text: str, code: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert message in found.message
    assert found.labels[0].span.line == 4


def test_a_misspelt_operator_is_met_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, "silent: [shift, shfit]\nmodels: {alone: 'x<basicc'}\n")
    helps = [found.help for found in caught.value.diagnostics]
    assert helps == ["did you mean `shift`?", "did you mean `basic`?"]


def test_an_operator_of_a_file_may_be_named(tmp_path: Path) -> None:
    class Blend(Op):
        kind: ClassVar[str] = "blend_of_a_file"

        share: int = 3

    text = "silent: blend_of_a_file\nmodels: {has: 'a:share=3', lacks: 'a<blend_of_a_file'}\n"
    assert read(tmp_path, text).silent == {Blend.kind}


def test_all_mistakes_at_once_and_in_place(tmp_path: Path) -> None:
    found = diagnoses(
        tmp_path,
        "rules:\n  - {rename: a}\n  - {rename: a, to: b}\n  - {drop: a}\nrecognise: ['}']\n",
    )
    assert [(code, line) for code, _, line in found] == [
        ("missing-key", 2),
        ("missing-key", 4),
        ("bad-pattern", 5),
    ]


@pytest.mark.parametrize(
    ("version", "code"), [("2", "newer-language"), ("0", "bad-version"), ("x", "wrong-type")]
)
def test_versions(tmp_path: Path, version: str, code: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD.replace("stspec: 1", f"stspec: {version}"))
    with pytest.raises(SpecError) as caught:
        load_importer(str(path))
    assert caught.value.diagnostics[0].code == code


def test_what_is_missing_at_the_top(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("stspec: 1\nabout: x\n")
    with pytest.raises(SpecError) as caught:
        load_importer(str(path))
    assert caught.value.diagnostics[0].message == "the key `code_base` is missing"
