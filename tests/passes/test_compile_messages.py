"""What a user is told, word by word, once a spec is well formed but says something impossible."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stspec.diagnostics import SpecError
from stspec.network import load

BACKBONE = """\
  name: small
  layers:
    conv1: {op: conv2d, width: 8, kernel: 7, stride: 2, stage: 1, role: stem}
    bn1: {op: batch_norm}
    layer1: {block: basic, width: 8, repeat: 2, stage: 2}
    layer2: {block: basic, width: 16, stride: 2, repeat: 2, stage: 3, role: spatial_pool_3}
"""


def spec(
    policy: str = "  spatial: {}\n",
    *,
    backbone: str = BACKBONE,
    clip: str = "{frames: 4, size: 32}",
    head: str = "{dropout: 0.5}",
) -> str:
    return (
        f"stspec: 1\nclip: {clip}\nclasses: 10\nhead: {head}\n"
        f"backbone:\n{backbone}policy:\n  name: mine\n{policy}"
    )


TAM = "  temporal:\n    tam: {{insert: tam, at: {{role: residual_start}}, {}}}\n"
WIDE = "  spatial:\n    wide: {{where: {{op: conv}}, to: conv3d, {}}}\n"

SPECS = {
    "unknown_op": spec("  temporal:\n    tam: {insert: tamm, at: {role: residual_start}}\n"),
    "unknown_block": spec(backbone=BACKBONE.replace("block: basic", "block: basick")),
    "unknown_head": spec(head="{kind: liner}"),
    "unknown_slot": spec("  temporal:\n    t: {insert: tam, at: {slot: conv3}}\n"),
    "unknown_stage": spec("  temporal:\n    t: {insert: tam, at: {op: conv, stages: 6}}\n"),
    "unknown_role": spec("  temporal:\n    t: {insert: tam, at: {role: residual_begin}}\n"),
    "matches_nothing": spec(
        "  temporal:\n    t: {insert: tam, at: {slot: conv2, stages: 2, blocks: [5]}}\n"
    ),
    "unknown_rule_key": spec(TAM.format("kernle: 5")),
    "rule_wrong_type": spec(TAM.format("kernel: five")),
    "rule_without_place": spec("  temporal:\n    tam: {insert: tam, kernel: 3}\n"),
    "rule_without_action": spec("  temporal:\n    tam: {at: {role: stem}}\n"),
    "place_without_name": spec("  temporal:\n    t: {insert: tam, at: {kernel: 3}}\n"),
    "point_of_a_role": spec("  temporal:\n    t: {insert: tam, at: {role: stem, point: raw}}\n"),
    "point_of_a_conversion": spec(
        "  spatial:\n    t: {where: {op: conv, point: raw}, to: conv3d}\n"
    ),
    "not_within_not": spec(
        "  spatial:\n    t: {where: {op: conv, not: {kernel: 1, not: {stages: 1}}}, to: conv3d}\n"
    ),
    "factorise_a_sum": spec("  spatial:\n    t: {where: {op: add}, to: conv2plus1d}\n"),
    "sum_to_activation": spec("  spatial:\n    t: {where: {op: add}, to: relu}\n"),
    "block_of_other_channels": spec(
        "  spatial:\n    t: {where: {slot: conv2, stages: 2}, to: bottleneck, expansion: 2}\n"
    ),
    "block_without_stride": spec(
        "  spatial:\n    t: {where: {stages: 3, kernel: 3}, to: fire, squeeze: 4, expand: 8}\n"
    ),
    "block_without_field": spec("  spatial:\n    t: {where: {slot: conv2}, to: fire, expand: 8}\n"),
    "block_for_a_sum": spec("  spatial:\n    t: {where: {op: add}, to: basic}\n"),
    "head_without_scores": spec("  spatial:\n    t: {where: {op: consensus}, to: relu}\n"),
    "pooled_twice": spec("  pooling: {beside: [3, 4, 3]}\n"),
    "rounded_pooling": spec(
        "  spatial:\n    clips: {where: {op: pool}, to: 3d}\n"
        "  pooling: {beside: 2, realise: joint}\n",
        backbone=BACKBONE.replace(
            "    layer1",
            "    pool: {op: max_pool2d, kernel: 3, stride: 2, ceil_mode: true,"
            " role: spatial_pool_2}\n"
            "    layer1",
        ),
    ),
    "too_many_rules": spec(
        "  temporal:\n"
        + "".join(f"    t{i}: {{insert: tam, at: {{role: stem}}}}\n" for i in range(65))
    ),
    "too_many_places": spec(
        "  temporal:\n"
        + "".join(f"    t{i}: {{insert: relu, at: {{op: relu}}}}\n" for i in range(8)),
        backbone=BACKBONE.replace("repeat: 2", "repeat: 50"),
    ),
    "no_such_pooling": spec("  pooling: {beside: [3, 5]}\n"),
    "pooling_of_frames": spec("  pooling: {beside: [3], realise: joint}\n"),
    "kernel_over_time": spec(WIDE.format("kernel_t: 9, padding_t: 0")),
    "kernel_over_space": spec(backbone=BACKBONE.replace("kernel: 7", "kernel: 77, padding: 0")),
    "shapes_do_not_add": spec(WIDE.format("padding: 0")),
    "groups_do_not_divide": spec(WIDE.format("groups: 3")),
    "impossible_padding": spec(
        backbone=BACKBONE + "    pool: {op: max_pool2d, kernel: 3, padding: 2}\n"
    ),
    "joins_in_a_chain": spec(backbone=BACKBONE + "    sum: {op: add}\n"),
    "bad_name": spec(backbone=BACKBONE.replace("conv1:", "forward:")),
    "too_large": spec(backbone=BACKBONE.replace("repeat: 2", "repeat: 1000", 1).replace(
        "repeat: 2", "repeat: 1000")),
    "plugin_missing": spec("  temporal:\n    g: {insert: ./gate.py:Gate, at: {role: stem}}\n"),
    "plugin_outside": spec("  temporal:\n    g: {insert: ../gate.py:Gate, at: {role: stem}}\n"),
    "side_of_none": spec(clip="{frames: 4, size: [32, 0]}"),
    "too_wide": spec(backbone=BACKBONE.replace("width: 16", "width: 1000000000")),
    "rule_to_change": spec(TAM.format("kernel: 3") + "    tan: {kernel: 5}\n"),
    "layer_to_change": spec(backbone=BACKBONE + "    layer3: {repeat: 3}\n"),
    "rules_several": spec(
        "  spatial:\n    a: {where: {slot: conv9}, to: conv3d}\n"
        "    b: {where: {op: conv3d}, to: conv2plus1d}\n"  # which a would have made
        "    c: {where: {stages: 7}, to: conv3d}\n"
        "  temporal:\n    d: {insert: tam, at: {role: stem}}\n"
        "    e: {insert: tam, at: {role: module_output}}\n"
        "  pooling: {beside: [5]}\n"
    ),
    "reading_several": (
        "stspec: 1\nstspec: 1\nextends: tam\nbackbone: resnet500\nclases: 3\nclasses: none\n"
        "policy: {temporal: {tam: {reduce: mean}}}\nclip: {frames: &t 8, sise: *t}\n"
    ),
    "reading_without_parent": (
        "stspec: 1\nextends: ./absent.yaml\nclases: 3\n"
        "policy: {temporal: {tam: {kernel: 5}}}\nbackbone: {layers: {layer1: {width: 3}}}\n"
    ),
    "compile_several": spec(
        TAM.format("kernle: 5") + "  pooling: {beside: three}\n", clip="{frames: 0, size: 32}"
    ),
}  # fmt: skip

PLUGINS = {
    "plugin_syntax": "class Gate(:\n",
    "plugin_without_kind": "from stspec.ops.base import Op\nclass Gate(Op):\n    pass\n",
    "plugin_without_module": (
        "from stspec.ops.base import Op\nclass Gate(Op):\n    kind = 'gate'\n"
    ),
    "plugin_other_name": ("from stspec.ops.base import Op\nclass Gates(Op):\n    kind = 'gate'\n"),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def say(text: str) -> str:
    Path("model.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load("model.yaml")
    return str(caught.value)


@pytest.mark.parametrize("name", SPECS)
def test_message(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"compile/{name}", say(SPECS[name]))


@pytest.mark.parametrize("name", PLUGINS)
def test_broken_plugin(name: str, golden: Callable[[str, str], None]) -> None:
    Path("gate.py").write_text(PLUGINS[name], encoding="utf-8")
    text = say(spec("  temporal:\n    g: {insert: ./gate.py:Gate, at: {role: stem}}\n"))
    golden(f"compile/{name}", text)


def test_the_base_of_these_specs_is_right() -> None:
    Path("model.yaml").write_text(spec(TAM.format("kernel: 3")), encoding="utf-8")
    assert load("model.yaml").facts.output.sizes == (10,)
