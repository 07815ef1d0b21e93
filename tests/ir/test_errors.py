"""Rules that cannot be applied: one mistake each, told at the line that has to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from stspec.diagnostics import Diagnostic, SpecError
from stspec.network import load

HERE = "# here"
"""Stands behind the line that a message must point to."""

MODEL = """\
stspec: 1
backbone: {backbone}
clip: {{frames: 8, size: 32}}
policy: ./policy.yaml
classes: 5
"""

# Backbone, code, and the policy's rules.
WRONG: dict[str, tuple[str, str, str]] = {
    "no such kernel": (
        "resnet18",
        "matches-nothing",
        """\
spatial:
  wide:
    to: conv3d
    where: {kernel: 9}  # here
""",
    ),
    "a role of other backbones": (
        "inceptionv1",
        "matches-nothing",
        """\
temporal:
  ok: {insert: tam, at: {role: module_output}}
  new:
    insert: tam
    at: {role: residual_start}  # here
""",
    ),
    "a slot of other blocks": (
        "resnet18",
        "matches-nothing",
        """\
spatial:
  ok: {where: {slot: conv2}, to: conv3d}
  wide: {where: {slot: conv3}, to: conv3d}  # here
""",
    ),
    "a slot of other blocks in a stage that is there": (
        "resnet18",
        "matches-nothing",
        """\
spatial:
  wide:
    to: conv3d
    where:
      stages: [2, 3]
      slot: conv3  # here
""",
    ),
    "stages beyond the last": (
        "squeezenet",
        "matches-nothing",
        """\
temporal:
  new:
    insert: tam
    at:
      role: module_output
      stages:
        [5, 6]  # here
""",
    ),
    "depth-wise convolutions where there are none": (
        "resnet50",
        "matches-nothing",
        """\
spatial:
  wide:
    where:
      depthwise: true  # here
    to: conv3d
""",
    ),
    "blocks beyond the last": (
        "resnet50",
        "matches-nothing",
        """\
spatial:
  ok: {where: {slot: conv2, stages: 4, blocks: [5]}, to: conv3d}
  wide: {where: {slot: conv2, stages: 5, blocks: [5]}, to: conv3d}  # here
""",
    ),
    "the stem is in no block": (
        "resnet18",
        "matches-nothing",
        """\
spatial:
  wide: {where: {role: stem, blocks: {every: 1}}, to: conv3d}  # here
""",
    ),
    "not leaves nothing": (
        "resnet18",
        "matches-nothing",
        """\
temporal:
  new: {insert: tam, at: {role: residual_end, not: {stages: [2, 3, 4, 5]}}}  # here
""",
    ),
    "clips where all are frames": (
        "mobilenetv2",
        "matches-nothing",
        """\
spatial:
  wide: {where: {op: conv3d}, to: conv3d, kernel_t: 3}  # here
""",
    ),
    "frames where all are clips by now": (
        "squeezenet",
        "matches-nothing",
        """\
spatial:
  clips: {where: {op: conv2d}, to: 3d}
  wide: {where: {op: conv2d}, to: conv3d, kernel_t: 3}  # here
""",
    ),
    "a pooling on the way to a convolution": (
        "resnet18",
        "matches-nothing",
        """\
spatial:
  wide: {where: {role: spatial_pool_2}, to: conv3d}  # here
""",
    ),
    "the scores are no place for what blends frames": (
        "resnet18",
        "impossible-shape",
        """\
temporal:
  new: {insert: tam, at: {role: classifier}}  # here
""",
    ),
    "a sum is no chain": (
        "resnet18",
        "bad-value",
        """\
temporal:
  new: {insert: add, at: {role: block_output}}  # here
""",
    ),
    "a block is not what a pool becomes": (
        "resnet18",
        "bad-conversion",
        """\
spatial:
  wide: {where: {op: pool}, to: basic}  # here
""",
    ),
    "more parts than channels": (
        "resnet18",
        "impossible-shape",
        """\
temporal:
  new: {insert: shift, at: {role: residual_start, stages: 2}, fold_div: 65}  # here
""",
    ),
    "padding of more than half a kernel": (
        "resnet18",
        "bad-value",
        """\
temporal:
  new: {insert: temporal_max_pool, at: {role: stem}, kernel: 3, padding: 2}  # here
""",
    ),
    "an activation has no kernel": (
        "resnet18",
        "bad-conversion",
        """\
spatial:
  wide: {where: {op: relu}, to: 3d, kernel_t: 3}  # here
""",
    ),
    "a factorised convolution of no frames": (
        "resnet18",
        "out-of-range",
        """\
spatial:
  wide: {where: {slot: conv1}, to: conv2plus1d, kernel_t: 0}  # here
""",
    ),
    "no values that run along": (
        "resnet18",
        "bad-length",
        """\
temporal:
  new: {insert: tam, at: {role: residual_start}, kernel: {each: []}}  # here
""",
    ),
    "one of the values that run along": (
        "resnet18",
        "out-of-range",
        """\
temporal:
  new:
    insert: tam
    at: {role: residual_start}
    kernel:
      each:
        - 3
        - 0  # here
""",
    ),
    "values run along what": (
        "resnet18",
        "unknown-choice",
        """\
temporal:
  new: {insert: tam, at: {role: residual_start}, kernel: {each: [3], over: blocks}}  # here
""",
    ),
    "a place that is no point": (
        "resnet18",
        "unknown-choice",
        """\
temporal:
  new: {insert: tam, at: {slot: conv1, point: behind}}  # here
""",
    ),
    "every none": (
        "resnet18",
        "out-of-range",
        """\
spatial:
  wide: {where: {slot: conv1, blocks: {every: 0}}, to: conv3d}  # here
""",
    ),
    "two actions": (
        "resnet18",
        "bad-value",
        """\
spatial:
  wide: {where: {slot: conv1}, to: conv3d, insert: tam}  # here
""",
    ),
    "converting at a place": (
        "resnet18",
        "bad-value",
        """\
spatial:
  wide: {at: {slot: conv1}, to: conv3d}  # here
""",
    ),
    "a selector's key that is none": (
        "resnet18",
        "unknown-key",
        """\
spatial:
  wide:
    where:
      slot: conv1
      stage: 3  # here
    to: conv3d
""",
    ),
    "a level of pooling that the backbone lacks": (
        "squeezenet",
        "bad-pooling",
        """\
pooling:
  op: max
  beside: [5]  # here
""",
    ),
    "frames cannot stride in time": (
        "mobilenetv2",
        "bad-pooling",
        """\
pooling:
  beside: [3]
  realise: joint  # here
""",
    ),
}


def refused(folder: Path, backbone: str, rules: str) -> tuple[Diagnostic, int]:
    """Return the only mistake of a policy in a file of its own, and the line that is marked."""
    text = "stspec: 1\n" + rules
    (folder / "policy.yaml").write_text(text, encoding="utf-8")
    (folder / "model.yaml").write_text(MODEL.format(backbone=backbone), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load(folder / "model.yaml")
    assert "Traceback" not in str(caught.value)
    (found,) = caught.value.diagnostics
    (line,) = [i for i, part in enumerate(text.splitlines(), 1) if part.endswith(HERE)]
    return found, line


@pytest.mark.parametrize("name", WRONG)
def test_one_mistake_at_its_line(name: str, tmp_path: Path) -> None:
    backbone, code, rules = WRONG[name]
    found, line = refused(tmp_path, backbone, rules)
    file, at, _ = found.position
    assert (found.code, Path(file).name, at) == (code, "policy.yaml", line)


def test_a_sum_of_different_frames_names_the_rule_that_halved_them(tmp_path: Path) -> None:
    rules = """\
temporal:
  ok: {insert: tam, at: {role: residual_start}}
  new: {insert: temporal_max_pool, at: {role: residual_start}}  # here
"""
    found, line = refused(tmp_path, "resnet18", rules)
    assert found.code == "impossible-shape"
    assert "layer1.0.add" in found.message
    assert line in [x.span.line for x in found.labels if x.span.file.endswith("policy.yaml")]
