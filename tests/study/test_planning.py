"""Plans: the published models exactly, keys that change with what matters, frozen whole."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stspec.analysis.cost import CONVENTIONS, cost
from stspec.compose import data_root
from stspec.data.manifest import load_manifest, load_split
from stspec.diagnostics import SpecError
from stspec.network import load
from stspec.study.data import without_classes
from stspec.study.freezing import freeze
from stspec.study.outline import differences, groups, waves
from stspec.study.plan import Plan, read_plan
from stspec.study.planning import make_plan
from stspec.study.records import PlannedRun
from stspec.study.schema import STUDIES
from stspec.study.study import load_study

TABLES = Path(__file__).resolve().parent.parent / "data" / "tables"
DATA = {
    "mini_st2stv2": "mini_ssv2",
    "mini_kinetics400": "mini_kinetics",
    "mini_moments": "mini_mit",
}
SMALL = {"policy": {"tsn": {}, "tam": {"policy": "tam"}}, "clip.frames": [4, 8]}


def written(folder: Path, name: str = "mine.yaml", **keys: Any) -> Path:
    file = folder / name
    text = yaml.safe_dump({"stspec": 1, "base": "tsn_motions", **keys}, sort_keys=False)
    file.write_text(text, encoding="utf-8")
    return file


def planned(folder: Path, *sets: str, **keys: Any) -> dict[str, PlannedRun]:
    plan = make_plan(load_study(written(folder, **keys), sets))
    return {run.name: run for run in plan.runs}


@pytest.fixture(scope="module")
def unified() -> Plan:
    return make_plan(load_study("unified_288"))


def test_the_unified_study_is_the_published_288_models(unified: Plan) -> None:
    table = json.loads(gzip.decompress((TABLES / "ibm_benchmark_mini.json.gz").read_bytes()))
    rows = {
        (
            DATA[row["dataset"]], row["arch"].lower(), row["backbone"].replace("-", ""),
            row["temporal_pooling"], row["frames"],
        ): row
        for row in table["rows"]
    }  # fmt: skip
    assert len(rows) == len(unified.runs) == len({run.key for run in unified.runs}) == 288
    for run in unified.runs:
        f = run.facets
        row = rows.pop((f.data, f.policy, f.backbone, f.temporal_pooling, f.frames))
        assert run.params == row["recount_params"], run.name
        assert unified.efforts[run.key].memory > 0
        if f.data == "mini_ssv2" and f.frames == 8:
            network = unified.network(run)
            assert CONVENTIONS["conv"].count(cost(network).total) == row["recount_conv_macs"]
            assert CONVENTIONS["all"].count(cost(network).total) == run.macs
    assert not rows


def test_macs_of_longer_clips_are_those_of_the_table(unified: Plan) -> None:
    table = json.loads(gzip.decompress((TABLES / "ibm_benchmark_mini.json.gz").read_bytes()))
    of_head = {"inceptionv1": 1024, "resnet18": 512, "resnet50": 2048}
    printed = {
        (r["arch"].lower(), r["backbone"].replace("-", ""), r["temporal_pooling"], r["frames"]):
            r["recount_conv_macs"]
        for r in table["rows"] if r["dataset"] == "mini_st2stv2"
    }  # fmt: skip
    for run in unified.runs:
        f = run.facets
        if f.data == "mini_ssv2":
            conv = printed[f.policy, f.backbone, f.temporal_pooling, f.frames]
            # The classifier is what the table leaves out: 87 classes, for each frame that is left.
            left, rest = divmod(run.macs - conv, of_head[f.backbone] * 87)
            assert rest == 0 and 1 <= left <= f.frames, run.name


def test_each_length_of_the_unified_study_starts_from_the_one_before(unified: Plan) -> None:
    runs = {run.key: run for run in unified.runs}
    known: set[str] = set()
    for run in unified.runs:
        known.add(run.key)
        if run.facets.frames == 8:
            assert run.after is None
            continue
        assert run.after in known
        before = runs[str(run.after)]
        assert before.facets.frames * 2 == run.facets.frames
        assert {**before.settings, "frames": ""} == {**run.settings, "frames": ""}
    assert waves(unified) == [72, 72, 72, 72]
    assert sum(len(group.runs) for group in groups(unified)) == 288
    longest = yaml.safe_load(unified.recipes[unified.runs[-1].recipe])
    assert (longest["epochs"], longest["batch"], longest["norm"]["mode"]) == (35, 36, "sync")


@pytest.mark.parametrize("name", sorted(set(STUDIES.names()) - {"unified_288"}))
def test_every_shipped_study_has_a_plan(name: str) -> None:
    study = load_study(name)
    plan = make_plan(study)
    assert plan.about and len(plan.runs) == len(study.rows)
    assert not any("same run" in note for note in plan.notes)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    for run in plan.runs[:2]:
        assert plan.network(run).facts.params == run.params


def test_heads_and_convolutions_are_named_as_published_tables_name_them() -> None:
    from stspec.study.published import published

    for study, table in (("heads", "comparison2020"), ("r2plus1d_variants", "vmz2018")):
        known = {each.facets: each for each in published(table)}
        runs = make_plan(load_study(study)).runs
        assert len(runs) == len(known)
        for run in runs:
            there = {f: each for f, each in known.items() if f.backbone == run.facets.backbone}
            same = [
                each for f, each in there.items()
                if (f.data, f.policy, f.head, f.frames)
                == (run.facets.data, run.facets.policy, run.facets.head, run.facets.frames)
            ]  # fmt: skip
            assert [(each.params, each.macs) for each in same] == [(run.params, run.macs)], run.name


def test_a_comment_changes_no_key(tmp_path: Path) -> None:
    base = yaml.safe_load((data_root() / "specs" / "tsn_motions.yaml").read_text())
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("stspec: 1\nextends: motions\nepochs: 3\n")
    keys = {"base": "./base.yaml", "recipe": "./recipe.yaml", "grid": SMALL}
    before = planned(tmp_path, about="one", **keys)
    (tmp_path / "base.yaml").write_text("# A remark.\n" + yaml.safe_dump({**base, "about": "new"}))
    recipe.write_text("stspec: 1  # a remark\nextends: motions\nabout: words\nepochs: 3\n")
    after = planned(tmp_path, about="two", **keys)
    assert {n: run.key for n, run in before.items()} == {n: run.key for n, run in after.items()}


def test_a_changed_kernel_changes_what_depends_on_it(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"grid": SMALL, "after": {"clip.frames": "previous"}}
    before = planned(tmp_path, **keys)
    wide = {"when": {"policy": "tam", "clip.frames": 4}, "set": {"policy.temporal.tam.kernel": 5}}
    after = planned(tmp_path, **keys, adjust=[wide])
    changed = {name for name in before if before[name].key != after[name].key}
    # The longer clips' own model is as it was, but it starts from other weights.
    assert changed == {"tam-frames4", "tam-frames8"}
    assert before["tam-frames8"].spec == after["tam-frames8"].spec


@pytest.mark.parametrize(
    ("sets", "changed"),
    [
        (["recipe.epochs=3"], True), (["seed=7"], True), (["clip.size=64"], True),
        (["recipe.name=null"], False), (["data.d.classes=7"], True), (["data.d.clips=65"], True),
        (["recipe.epochs=10"], False), (["policy.inflate=center"], True), (["title=other"], False),
    ],
)  # fmt: skip
def test_what_a_result_depends_on_changes_the_key(
    tmp_path: Path, sets: list[str], changed: bool
) -> None:
    keys: dict[str, Any] = {"recipe": "motions", "data": {"d": {"classes": 5, "clips": 64}}}
    (before,) = planned(tmp_path, **keys).values()
    (after,) = planned(tmp_path, *sets, **keys).values()
    assert (before.key != after.key) is changed


def test_the_weights_that_a_run_starts_from_are_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "resnet.pth"
    keys: dict[str, Any] = {"base": "tam_resnet18", "imagenet": {"resnet18": "resnet.pth"}}
    found = []
    for content in (b"one", b"two"):
        file.write_bytes(content)
        (run,) = planned(tmp_path, **keys).values()
        assert run.weights == str(file) and run.image
        found.append(run.key)
    (none,) = planned(tmp_path, base="tam_resnet18").values()
    assert none.weights is None
    assert len({*found, none.key}) == 3


def test_runs_that_come_out_the_same_are_one(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, grid={"policy.pooling": ["none"], "head.dropout": [0.5]}))
    assert len(make_plan(study).runs) == 1
    grid = {"rate": {"a": {"recipe.epochs": 10}, "b": {"recipe.optimizer.lr": 0.05}}}
    plan = make_plan(load_study(written(tmp_path, recipe="motions", grid=grid)))
    assert [run.name for run in plan.runs] == ["a"]
    assert plan.notes[0] == "b is the same run as a"


def test_the_recipe_decides_on_the_side_of_clips(tmp_path: Path) -> None:
    (run,) = planned(tmp_path, base="tsn_resnet18", recipe="vmz2018").values()
    spec = make_plan(load_study(written(tmp_path, base="tsn_resnet18", recipe="vmz2018"))).specs
    assert yaml.safe_load(spec[run.spec])["clip"]["size"] == 112
    assert (
        run.macs
        == cost(load("tsn_resnet18", ["clip.size=112"])).total.macs["convolution"]
        + (cost(load("tsn_resnet18", ["clip.size=112"])).total.macs["linear"])
    )


def test_what_is_frozen_needs_no_file_of_the_study(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("stspec: 1\nextends: motions\nepochs: 3\nbatch: 8\n")
    motions = {"train": 24, "val": 12, "frames": 4, "size": 16}
    file = written(
        tmp_path, recipe="./recipe.yaml", grid={"policy": ["tsn", "tam"]},
        data={"clips": {"motions": motions}, "few": {"of": "clips", "without": ["ring", "dots"]}},
        include=[{"data": "few", "policy": "tam"}], set={"data": "clips"},
    )  # fmt: skip
    plan = make_plan(load_study(file))
    store = tmp_path / "store"
    frozen = freeze(plan, store)
    for gone in (file, tmp_path / "recipe.yaml"):
        gone.unlink()
    again = read_plan(store / "plans" / "mine.json")
    assert again == frozen and again.runs == plan.runs
    for run in again.runs:
        text = (store / "specs" / f"{run.spec}.yaml").read_text()
        assert text == again.specs[run.spec]
        found, whole = load(store / "specs" / f"{run.spec}.yaml"), again.network(run)
        assert (found.hashes.math, found.state) == (whole.hashes.math, whole.state)
        assert (store / "recipes" / f"{run.recipe}.yaml").is_file()
    every, few = again.data["clips"], again.data["few"]
    train = load_split(Path(str(few.path)), "train")
    assert len(load_split(Path(str(every.path)), "train")) == 24
    assert (len(train), len(train.classes)) == (few.train, few.classes) == (20, 10)
    assert all(train.path(sample).is_file() for sample in train)
    assert freeze(plan, store) == frozen


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    motions = {"train": 12, "val": 12, "frames": 4, "size": 16}
    data = {"clips": {"motions": motions}}
    plan = make_plan(load_study(written(tmp_path, data=data, set={"recipe.batch": 4})))
    (tmp_path / "store" / "plans" / "mine.json").mkdir(parents=True)
    with pytest.raises(SpecError, match="another folder with --store"):
        freeze(plan, tmp_path / "store")


def test_runs_wait_for_data_that_lie_nowhere(tmp_path: Path) -> None:
    plan = make_plan(load_study(written(tmp_path, data={"far": {"classes": 7}})))
    assert plan.efforts[plan.runs[0].key].steps is None
    with pytest.raises(SpecError, match="far") as caught:
        freeze(plan, tmp_path / "store")
    assert caught.value.diagnostics[0].code == "no-data"
    assert not (tmp_path / "store" / "plans").exists()


def test_classes_that_are_left_out_are_numbered_anew(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        for number in range(2):
            (tmp_path / "clips" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "clips" / name / f"{number}.mp4").write_bytes(b"")
    whole = load_manifest(tmp_path / "clips")
    kept = without_classes(whole, ["b"])
    assert kept.classes == ("a", "c", "d")
    named = [whole.classes[s.labels[0]] for s in whole if whole.classes[s.labels[0]] != "b"]
    assert [kept.classes[sample.labels[0]] for sample in kept] == named
    with pytest.raises(SpecError, match="no class `e`"):
        without_classes(whole, ["e"])
    with pytest.raises(SpecError, match="nothing is left"):
        without_classes(whole, ["a", "b", "c", "d"])


def test_differences_are_those_of_diff(tmp_path: Path) -> None:
    grid = {"policy": ["tsn", "tam"], "recipe.epochs": [10, 5], "seed": [0, 1]}
    told = differences(load_study(written(tmp_path, recipe="motions", grid=grid)))
    assert [(one.axis, one.values) for one in told] == [
        ("policy", ("tam",)),
        ("recipe.epochs", (5,)),
    ]
    assert [what for what, _, _ in told[0].told] == ["temporal op", "its place"]
    assert told[1].told == (("epochs", "10", "5"),)


def test_what_is_included_beside_the_grid_is_told_as_well(tmp_path: Path) -> None:
    include = [{"policy": "tam", "recipe.schedule.kind": "constant"}]
    told = differences(
        load_study(written(tmp_path, recipe="motions", grid={"policy": ["tam"]}, include=include))
    )
    assert [one.axis for one in told] == ["policy", "recipe.schedule.kind"]
    assert ("learning rate falls", "as a cosine", "never") in told[1].told


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys; from stspec.study.study import load_study;"
        "from stspec.study.planning import make_plan; make_plan(load_study('quick'));"
        "assert not {'torch', 'rich', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
