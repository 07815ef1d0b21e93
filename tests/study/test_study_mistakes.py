"""What is wrong with a study is told in its place, all of it at once, with the nearest name."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from stspec.compose import data_root
from stspec.diagnostics import SpecError
from stspec.source import read_file, to_plain
from stspec.study.planning import make_plan
from stspec.study.schema import study_schema
from stspec.study.study import load_study

STUDIES = sorted((data_root() / "specs" / "studies").glob("*.yaml"))
VALIDATOR = jsonschema.Draft7Validator(study_schema())
HEAD = "stspec: 1\nbase: tam_motions\nrecipe: motions\n"


def refused(folder: Path, text: str, *sets: str) -> list[tuple[str, int, str]]:
    """Return code, line after the head, and help of everything that is told."""
    file = folder / "study.yaml"
    file.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        make_plan(load_study(file, sets))
    return [
        (one.code, one.labels[0].span.line - 3 if one.labels else 0, one.help or "")
        for one in caught.value.diagnostics
    ]


WRONG = {
    "grid: {polcy: [tsn]}": ("unknown-key", 1, "did you mean `policy`?"),
    "grid: {epochs: [1]}": ("unknown-key", 1, "`recipe.epochs` is the recipe's"),
    "grid: {clip.framez: [8]}": ("unknown-key", 1, "did you mean `frames`?"),
    "grid: {recipe.epoch: [1]}": ("unknown-key", 1, "did you mean `recipe.epochs`?"),
    "grid: {recipe.optimizer.lrr: [1.0]}": ("unknown-key", 1, "did you mean `lr`?"),
    "grid: {policy.temporal.tam.kernle: [3]}": ("unknown-key", 1, "did you mean `kernel`?"),
    "grid: {policy: [tsn, tamm]}": ("unknown-spec", 1, "did you mean `tam`?"),
    "grid: {recipe: [motion]}": ("unknown-recipe", 1, "did you mean `motions`?"),
    "grid: {base: [tam_motion]}": ("unknown-spec", 1, "did you mean `tam_motions`?"),
    "grid: {clip.frames: [8, 0]}": ("out-of-range", 1, ""),
    "grid: {clip.frames: ['8']}": ("wrong-type", 1, "remove the quotes"),
    "grid: {clip.frames: 8}": ("wrong-type", 1, ""),
    "grid: {seed: [-1]}": ("wrong-type", 1, ""),
    "grid: {seed: []}": ("bad-length", 1, ""),
    "grid: {seed: [1, 1]}": ("duplicate-value", 1, ""),
    "grid: {clip.frames.x: [1]}": ("no-such-path", 1, ""),
    "grid: {'clip..frames': [1]}": ("bad-path", 1, ""),
    "grid: {name: [a]}": ("fixed-key", 1, ""),
    "grid: {clip.size: [[8, 8]]}": ("wrong-type", 1, "give them names"),
    "grid: {data: [a]}": ("unknown-data", 1, ""),
    "grid: {seed: [1], x: {a: {seed: 2}}}": ("set-twice", 1, ""),
    "zip: [{seed: [1, 2], clip.frames: [8]}]": ("uneven-zip", 1, ""),
    "grid: {seed: [1]}\nexclude: [{sede: 1}]": ("unknown-axis", 2, "did you mean `seed`?"),
    "grid: {policy: [tsn]}\nexclude: [{policy: tsm}]": ("unknown-value", 2, "did you mean `tsn`?"),
    "grid: {policy: [tsn]}\nafter: {policy: tam}": ("unknown-value", 2, ""),
    "grid: {policy: [tsn]}\nafter: {polici: previous}": ("unknown-axis", 2, "`policy`"),
    "grid: {p: {a: {}}}\ninclude: [{p: b}]": ("unknown-value", 2, ""),
    "adjust: [{when: {seed: 1}, set: {seed: 2}}]": ("unknown-axis", 1, ""),
    "adjust: [{wen: {seed: 1}, set: {seed: 2}}]": ("unknown-key", 1, "did you mean `when`?"),
    "data: {a: {classes: 2}, b: {classes: 3}}": ("which-data", 1, "grid: {data: [a, b]}"),
    "data: {a: {path: no/where}}": ("no-list", 1, ""),
    "data: {a: {clasess: 2}}": ("unknown-key", 1, "did you mean `classes`?"),
    "data: {a: {path: x, motions: {}}}": ("bad-value", 1, ""),
    "data: {a: {motions: {}}, b: {of: c}}\nset: {data: b}": ("unknown-data", 1, "`a`"),
    "data: {a: {motions: {}}, b: {of: a, without: [rings]}}\nset: {data: b}": (
        "unknown-class", 1, "did you mean `ring`?",
    ),
    "data: {a: {motions: {train: 12}}}": ("too-few-clips", 1, "--set recipe.batch=12"),
    "imagenet: {resnet18_quarter: no.pth}\nset: {weights: imagenet}": ("bad-checkpoint", 1, ""),
    "extends: nothing": ("unknown-study", 1, ""),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_where_it_is(tmp_path: Path, text: str) -> None:
    code, line, help = WRONG[text]
    told = refused(tmp_path, text + "\n")
    assert [one[:2] for one in told] == [(code, line)]
    assert help in told[0][2]


def test_all_mistakes_are_told_at_once_and_each_but_once(tmp_path: Path) -> None:
    text = "grid:\n  clip.framez: [1, 2]\n  recipe.epohs: [1]\n  seed: [0, x]\nsett: {}\n"
    assert [one[:2] for one in refused(tmp_path, text)] == [
        ("unknown-key", 3), ("wrong-type", 4), ("unknown-key", 5),
    ]  # fmt: skip
    # What only models tell comes once the study itself is right.
    text = "grid:\n  clip.framez: [1, 2]\n  recipe.optimizer.lrr: [1.0, 2.0]\n  seed: [0, 1, 2]\n"
    assert [one[:2] for one in refused(tmp_path, text)] == [("unknown-key", 2), ("unknown-key", 3)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("polcy=tam", "unknown-key"), ("batch=3", "unknown-key"), ("policy=tam", "is-axis"),
        ("grid.sede=[1]", "unknown-key"), ("recipe.epoch=1", "unknown-key"),
        ("data=motion", "unknown-data"), ("data.motions.clip=1", "unknown-key"),
        ("grid.seed=3", "wrong-type"), ("seed", "bad-override"),
    ],
)  # fmt: skip
def test_overrides_that_lead_nowhere_are_refused(change: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_plan(load_study("quick", [change]))
    assert [one.code for one in caught.value.diagnostics] == [code]


def test_overrides_change_the_study_or_all_its_runs(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(HEAD + "grid: {policy: [tsn, tam], clip.frames: [4, 8]}\nseed: 3\n")
    study = load_study(
        file, ["grid.clip.frames=null", "clip.frames=2", "recipe.epochs=7", "grid.seed=[1,2]"]
    )
    plan = make_plan(study)
    assert [run.name for run in plan.runs] == ["tsn-seed1", "tsn-seed2", "tam-seed1", "tam-seed2"]
    assert {run.facets.frames for run in plan.runs} == {2}
    assert yaml.safe_load(plan.recipes[plan.runs[0].recipe])["epochs"] == 7
    # Conditions may speak of values that an override has taken away.
    text = "exclude: [{policy: tsn, clip.frames: 8}]\n"
    file.write_text(HEAD + "grid: {policy: [tsn, tam], clip.frames: [4, 8]}\n" + text)
    assert len(load_study(file, ["grid.policy=[tam]"]).rows) == 2


def test_studies_extend_one_another_and_files_lie_beside_them(tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir()
    (tmp_path / "parent" / "mine.yaml").write_text("stspec: 1\nextends: tam\ntitle: Mine\n")
    (tmp_path / "parent" / "study.yaml").write_text(
        HEAD + "grid: {policy: [tsn, ./mine.yaml], seed: [0, 1]}\nabout: parent\n"
    )
    (tmp_path / "child.yaml").write_text(
        "stspec: 1\nextends: ./parent/study.yaml\ngrid: {seed: null, clip.frames: [4]}\n"
    )
    plan = make_plan(load_study(tmp_path / "child.yaml"))
    assert [run.name for run in plan.runs] == ["tsn-frames4", "mine-frames4"]
    assert (plan.about, plan.runs[1].facets.policy) == (None, "mine")


@pytest.mark.parametrize("file", STUDIES, ids=lambda path: str(path.stem))
def test_the_schema_takes_every_shipped_study(file: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(to_plain(read_file(file)))] == []


@pytest.mark.parametrize(
    "text",
    [
        "grid: {seed: 1}", "gird: {}", "zip: {seed: [1]}", "data: {a: {clasess: 3}}",
        "include: [3]", "seed: x", "adjust: [{when: {a: 1}}]", "data: {a: {motions: {size: big}}}",
    ],
)  # fmt: skip
def test_the_schema_and_the_reader_refuse_the_same(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text)
    if "when" not in text:  # the schema requires nothing but the version
        assert list(VALIDATOR.iter_errors(yaml.safe_load(HEAD + text)))


def test_the_schema_file_is_up_to_date() -> None:
    shipped = data_root() / "specs" / "schema" / "study.json"
    assert json.loads(shipped.read_text(encoding="utf-8")) == study_schema()
