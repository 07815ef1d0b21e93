"""What the page says of models and recipes, held to `stspec diff` of the same two."""

from __future__ import annotations

from itertools import combinations

import pytest

from stspec.diff import diff
from stspec.network import load, spec_text
from stspec.study.recipe_words import recipe_words
from stspec.study.report.words import words_block
from stspec.train.recipe import Recipe

NAMES = ("tsn_resnet18", "tam_resnet18", "i3d_resnet50", "s3d", "slowfast_r50_8x8")


def test_any_two_models_differ_as_stspec_diff_says() -> None:
    networks = [
        *(load(name, [("classes", 87)]) for name in NAMES),
        load("tam_resnet18", [("clip.frames", 16), ("classes", 200)]),
        load("tam_resnet18", [("policy.pooling", {"beside": [3]}), ("classes", 200)]),
    ]
    block = words_block([spec_text(each) for each in networks], [None] * len(networks))
    rows = [dict(block["told"][model]) for model, _ in block["runs"]]
    texts = block["texts"]
    for a, b in combinations(range(len(networks)), 2):
        told = {
            texts[title]: (texts[rows[a][title]], texts[rows[b][title]])
            for title in rows[a]
            if rows[a][title] != rows[b][title]
        }
        facets = diff(networks[a], networks[b]).policy
        assert told == {f.title: (f.a, f.b) for f in facets if not f.same}


def test_what_is_no_spec_is_passed_over() -> None:
    found = words_block(["model: {}", "[", "- 1", None], ["epochs: 3", "[", None, "- 1"])
    assert [model for model, _ in found["runs"]] == [None] * 4
    assert found["runs"][0][1] is not None and found["runs"][2][1] is None


@pytest.mark.parametrize("changes", [{}, {"norm": {"mode": "sync"}, "stages": [{"epochs": 2}]}])
def test_everything_a_recipe_says_is_told_once(changes: dict[str, object]) -> None:
    recipe = Recipe.model_validate(changes).model_dump(mode="json")
    words = recipe_words(recipe)
    leaves = [v for key, v in recipe.items() if key not in ("stspec", "name", "about", "paper")]
    count = 0
    while leaves:
        value = leaves.pop()
        if isinstance(value, dict):
            leaves += value.values()
        else:
            count += value is not None
    assert len(words) == count
