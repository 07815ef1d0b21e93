"""What is shipped as published is what the sources print, and costs what our specs cost."""

from __future__ import annotations

import doctest
import gzip
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from stspec.diagnostics import SpecError
from stspec.network import load
from stspec.study.contribution import (
    contributions,
    spatial_contribution,
    temporal_improvement,
)
from stspec.study.paper_tables import Options, make_table
from stspec.study.published import open_published, published, published_names

TABLES = Path(__file__).resolve().parent.parent / "data" / "tables"
DATA = {
    "mini_st2stv2": "mini_ssv2", "mini_kinetics400": "mini_kinetics", "mini_moments": "mini_mit",
    "st2stv2": "ssv2", "kinetics400": "kinetics400",
}  # fmt: skip

# As printed: data, then I3D, S3D, TAM.
TABLE_8 = {
    "mini_ssv2": (("Φ", ".53 .53 .52"), ("Ψ ta", ".46 .45 .47"), ("Ψ ta+tp", ".38 .38 .37")),
    "mini_kinetics": (("Φ", ".97 .97 .96"), ("Ψ ta", ".06 .08 .09"), ("Ψ ta+tp", "-.08 -.10 -.12")),
    "mini_mit": (("Φ", ".89 .91 .87"), ("Ψ ta", ".04 .03 .04"), ("Ψ ta+tp", ".02 .02 .04")),
}
# Of the two columns these rows are printed under each other's heading: I3D's under S3D.
EXCHANGED = {("mini_mit", "Φ"), *((data, "Ψ ta") for data in TABLE_8)}
# The values to three digits, columns in their places: I3D, S3D, TAM.
EXACT = {
    "mini_ssv2": (".533 .526 .518", ".447 .460 .474", ".382 .380 .374"),
    "mini_kinetics": (".965 .971 .963", ".079 .061 .090", "-.084 -.095 -.123"),
    "mini_mit": (".913 .889 .872", ".029 .037 .044", ".022 .019 .037"),
}


def source(name: str) -> dict[str, Any]:
    path = TABLES / name
    data = path.read_bytes()
    found = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("name", "file"),
    [("study2021", "ibm_benchmark_mini.json.gz"), ("study2021_full", "ibm_benchmark_full.json")],
)
def test_every_row_of_the_benchmark_is_shipped_as_it_is_printed(name: str, file: str) -> None:
    shipped = {
        (r.facets.data, r.facets.policy, r.facets.backbone, r.facets.temporal_pooling,
         r.facets.frames): r for r in published(name)
    }  # fmt: skip
    rows = source(file)["rows"]
    assert len(rows) == len(shipped) == (288 if name == "study2021" else 28)
    for row in rows:
        backbone = row["backbone"].replace("-", "")
        key = (
            DATA[row["dataset"]], row["arch"].lower(), backbone, row["temporal_pooling"],
            row["frames"],
        )  # fmt: skip
        found = shipped[key]
        assert found.top1 == pytest.approx(row["top1"] / 100, abs=1e-12)
        assert found.top5 == pytest.approx(row["top5"] / 100, abs=1e-12)
        assert found.params == row["params"] == row["recount_params"]
        assert found.extra["printed_macs"] == row["flops"]
        assert found.extra["epochs"] == row["epochs"]
        # What is counted beside the print's convolutions is the classifier: once a clip or frame.
        beside = found.macs - row["recount_conv_macs"]
        assert 0 < beside <= 64 * 2048 * 400
        assert found.source == "published"
        assert re.fullmatch("[0-9a-f]{16}", found.key)


def test_keys_and_names_are_of_one_result_each() -> None:
    for name in published_names():
        results = published(name)
        assert len({r.key for r in results}) == len({r.name for r in results}) == len(results)


@pytest.mark.parametrize(
    ("table", "name", "spec", "sets"),
    [
        ("study2021", "mini_ssv2/tam_resnet18_tp-f16", "tam_resnet18_tp",
         {"clip.frames": 16, "classes": 87}),
        ("study2021", "mini_mit/i3d_inceptionv1-f8", "i3d_inceptionv1", {"classes": 200}),
        ("study2021_full", "kinetics400/s3d_resnet50_tp-f64", "s3d_resnet50_tp",
         {"clip.frames": 64, "classes": 400}),
        ("vmz2018", "kinetics400/r2plus1d_resnet18_nopool-f8", "r2plus1d", {"clip.frames": 8}),
        ("vmz2018", "kinetics400/rmc3_resnet18_nopool-f16", "rmc3", {}),
        ("comparison2020", "jester/convlstm_squeezenet-f8", "convlstm_squeezenet", {}),
        ("comparison2020", "ssv2/rnn_relu_bninception-f16", "rnn_bninception_relu_16",
         {"classes": 174}),
    ],
)  # fmt: skip
def test_costs_are_those_of_the_shipped_specs(
    table: str, name: str, spec: str, sets: dict[str, int]
) -> None:
    (found,) = [r for r in published(table) if r.name == name]
    network = load(spec, list(sets.items()))
    assert found.params == network.facts.params
    assert found.macs == sum(network.facts.macs().values())
    assert found.facets.frames == network.spec.model.clip.frames
    assert found.facets.backbone == network.spec.backbone.name


def test_the_tables_of_2018_and_2020_are_as_printed() -> None:
    table = make_table("vmz2018", published("vmz2018"))
    rows = {row[1]: row[3:] for row in table.rows}
    assert table.columns[3].name == "clip level, 8 frames"
    assert len(rows) == 12
    assert rows["r2plus1d"] == (0.528, 0.648, 0.568, 0.680)
    assert rows["rmc5"] == (0.494, 0.612, 0.521, 0.631)
    table = make_table("comparison2020", published("comparison2020"))
    told = {row[0]: row[1:] for row in table.rows}
    assert len(told) == 11
    assert told["fcn3d"] == (0.9019, 0.9407, 0.3710, 0.4666, 0.3759, 0.4737)
    assert told["tsn"] == (0.7284, 0.8274, 0.2091, 0.3728, 0.2215, 0.3622)


def test_table_8_follows_to_the_printed_digits() -> None:
    table = make_table("table8", published("study2021"))
    found = {(row["data"], row["measure"]): row for row in table.records()}
    assert len(found) == 9
    for data, rows in TABLE_8.items():
        for (measure, printed), exact in zip(rows, EXACT[data], strict=True):
            i3d, s3d, tam = map(float, printed.split())
            if (data, measure) in EXCHANGED:
                i3d, s3d = s3d, i3d
            row = found[data, measure]
            mine = [float(row[name] or 0) for name in ("i3d", "s3d", "tam")]
            assert [round(value, 2) for value in mine] == [i3d, s3d, tam]
            assert [round(value, 3) for value in mine] == list(map(float, exact.split()))


def test_the_exchange_of_columns_is_needed() -> None:
    found = {
        (c.data, c.policy): c for c in contributions(published("study2021"))
        if not c.temporal_pooling
    }  # fmt: skip
    for data, measure in EXCHANGED:
        printed = dict(TABLE_8[data])[measure].split()
        i3d = found[data, "i3d"]
        value = (i3d.phi if measure == "Φ" else i3d.psi).estimate
        assert round(value, 2) != float(printed[0])


def test_the_printed_equations_give_another_table() -> None:
    found = make_table("table8", published("study2021"), Options(definition="printed"))
    row = {(r["data"], r["measure"]): r for r in found.records()}
    # As Eq. 1 prints it, a model that beats its baseline has a contribution of 1.
    assert row["mini_ssv2", "Φ"]["tam"] == 1.0
    assert round(float(row["mini_ssv2", "Ψ ta"]["tam"] or 0), 2) != 0.47


def test_both_definitions_by_hand() -> None:
    assert spatial_contribution(0.6, 0.3) == pytest.approx(0.5)
    assert spatial_contribution(0.2, 0.4) == pytest.approx(1.0)
    assert spatial_contribution(0.2, 0.4, "printed") == pytest.approx(0.5)
    assert temporal_improvement(0.6, 0.2) == pytest.approx(0.5)
    assert temporal_improvement(0.2, 0.4) == pytest.approx(-1 / 3)
    assert temporal_improvement(0.6, 0.2, "printed") == pytest.approx(2 / 3)
    wrong: Any = "print"
    with pytest.raises(SpecError, match="printed"):
        contributions(published("study2021"), definition=wrong)


def test_what_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(SpecError, match="study2021"):
        published("study2012")
    with pytest.raises(SpecError, match="table8"):
        make_table("tabel8", published("study2021"))


def test_sources_are_named() -> None:
    for name in published_names():
        found = open_published(name)
        assert found.paper and found.source and found.about and found.notes
        assert found.level in ("clip", "video")


@pytest.mark.parametrize(
    "module",
    ["published", "contribution", "statistics", "tables", "paper_tables", "figures", "export"],
)
def test_examples_of_the_api_print_what_they_say(module: str) -> None:
    assert doctest.testmod(import_module(f"stspec.study.{module}")).failed == 0
