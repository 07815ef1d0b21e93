"""Files of other kinds that are given as models."""

from pathlib import Path

import pytest

from stspec.compose import data_root
from stspec.compose.kinds import MODEL_KEYS, OTHER_KINDS, OtherKind
from stspec.diagnostics import SpecError
from stspec.network import load
from stspec.schema.models import Backbone, Model, Policy
from stspec.study.schema import study_schema
from stspec.train.recipe import recipe_schema
from stspec.weights.importer_file import ImporterKeys

KEYS = {
    "a policy": set(Policy.model_fields),
    "a backbone": set(Backbone.model_fields),
    "an importer": set(ImporterKeys.model_fields),
    "a study": set(study_schema()["properties"]),
    "a recipe": set(recipe_schema()["properties"]),
}


@pytest.mark.parametrize("kind", OTHER_KINDS, ids=lambda kind: kind.folder)
def test_another_kinds_file_is_told_with_what_takes_it(kind: OtherKind) -> None:
    for path in sorted((data_root() / "specs" / kind.folder).glob("*.yaml"))[:3]:
        with pytest.raises(SpecError) as caught:
            load(path)
        (found,) = caught.value.diagnostics
        assert f"is {kind.one}, not a model" in found.message
        assert found.labels[0].span.file in str(found.help)


@pytest.mark.parametrize("kind", OTHER_KINDS, ids=lambda kind: kind.folder)
def test_the_keys_that_tell_are_the_kinds_and_no_models(kind: OtherKind) -> None:
    assert KEYS[kind.one].issuperset(kind.keys)
    assert not {*Model.model_fields, "extends", "variants"} & set(kind.keys)
    assert not KEYS[kind.one] & set(MODEL_KEYS)


@pytest.mark.parametrize(
    "text", ["extends: tam_resnet50\npooling: none\n", "backbone: resnet50\nlayers: {}\n"]
)
def test_a_model_with_a_wrong_key_stays_a_model(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"stspec: 1\n{text}", encoding="utf-8")
    with pytest.raises(SpecError, match="unknown-key"):
        load(path)
