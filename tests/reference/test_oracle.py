from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest

from stspec.diagnostics import SpecError
from stspec.reference import load_oracle, load_table, oracle_names

DATA = Path(__file__).parents[1] / "data"
ORACLES = DATA / "oracles"
TABLES = DATA / "tables"


def test_every_oracle_is_there_and_consistent() -> None:
    names = oracle_names(ORACLES)
    assert len(names) == 253
    for name in names:
        oracle = load_oracle(ORACLES, name)
        assert oracle.name == name
        assert oracle.source
        assert oracle.logits.size > 0
        assert (oracle.logits_fp64 is None) != (oracle.fp64_maxdiff_over_std is None)
        if oracle.macs_by_op is not None:
            assert sum(oracle.macs_by_op.values()) == oracle.macs
        if oracle.logits_fp64 is not None:
            assert oracle.logits_fp64.shape == oracle.logits.shape


def test_an_oracle_in_full() -> None:
    oracle = load_oracle(ORACLES, "ibm_tam_resnet18_f8")
    assert oracle.input == (1, 3, 8, 64, 64)
    assert oracle.macs_input == (1, 3, 8, 224, 224)
    assert (oracle.params, oracle.macs) == (11186571, 14530813952)
    assert oracle.macs_by_op == {"convolution": 14530768896, "addmm": 45056}
    assert oracle.source == "IBM/action-recognition-pytorch @67cc96f"
    assert oracle.state_dict["layer1.0.tam.prev_se.fc1.weight"] == (64, 1, 1, 1)
    assert next(iter(oracle.state_dict)) == "conv1.weight"
    assert oracle.trace is not None and oracle.logits_fp64 is not None
    assert oracle.trace[0].module == "conv1"
    assert oracle.trace[0].shape == (8, 64, 32, 32)
    assert oracle.details["builder"]["temporal_module_name"] == "TAM"
    assert oracle.note is None
    assert oracle.layout is not None and "frame-major" in oracle.layout
    assert not oracle.logits.flags.writeable


def test_parameters_of_the_state_dict_sum_to_the_recorded_count() -> None:
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    oracle = load_oracle(ORACLES, "tv2d_resnet50")
    learnt = [math.prod(s) for k, s in oracle.state_dict.items() if not k.endswith(buffers)]
    assert sum(learnt) == oracle.params


def test_bundles_carry_no_time() -> None:
    for path in ORACLES.glob("*.gz"):
        assert path.read_bytes()[4:8] == b"\0\0\0\0", path.name


def test_single_files_are_read_too(tmp_path: Path) -> None:
    oracle = load_oracle(ORACLES, "tsm_shift64_div8")
    record = {
        "input": oracle.input,
        "params": 0,
        "macs": 0,
        "macs_input": oracle.macs_input,
        "logits": oracle.logits.tolist(),
        "state_dict": {},
        "source": "a file of its own",
    }
    (tmp_path / "mine_1.json").write_text(json.dumps(record))
    assert load_oracle(tmp_path, "mine_1").source == "a file of its own"
    assert oracle_names(tmp_path) == ("mine_1",)


def test_unknown_names_are_answered(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_oracle(ORACLES, "ibm_tam_resnet81_f8")
    (found,) = caught.value.diagnostics
    assert found.code == "unknown-oracle"
    assert found.help is not None and "ibm_tam_resnet18_f8" in found.help
    with pytest.raises(SpecError) as caught:
        load_oracle(tmp_path / "absent", "ibm_x")
    assert caught.value.diagnostics[0].code == "no-oracles"


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_broken_files_are_answered(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a_b.json").write_bytes(data)
    with pytest.raises(SpecError) as caught:
        load_oracle(tmp_path, "a_b")
    assert caught.value.diagnostics[0].code == "bad-figures"


def test_a_truncated_bundle_is_answered(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"a_b": {}}', mtime=0)
    (tmp_path / "a.json.gz").write_bytes(whole[:-4])
    with pytest.raises(SpecError):
        load_oracle(tmp_path, "a_b")


def test_a_record_that_lacks_fields_says_which(tmp_path: Path) -> None:
    (tmp_path / "a_b.json").write_text('{"input": [1], "params": 1}')
    with pytest.raises(SpecError) as caught:
        load_oracle(tmp_path, "a_b")
    assert "macs_input" in caught.value.diagnostics[0].message


def test_tables() -> None:
    mini = load_table(TABLES, "ibm_benchmark_mini")
    assert len(mini["rows"]) == 288
    assert len(load_table(TABLES, "mini_classes")["mini_kinetics400"]) == 200
    for name in ("ibm_benchmark_full", "model_zoo_costs", "stmodeling_table3"):
        assert load_table(TABLES, name)
    with pytest.raises(SpecError) as caught:
        load_table(TABLES, "mini_clases")
    assert caught.value.diagnostics[0].help == "did you mean `mini_classes`?"
