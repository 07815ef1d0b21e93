"""The catalogue: every entry names what is there, and is fed as its model can be."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

import pytest

from stspec.compose import data_root
from stspec.compose.locate import index
from stspec.diagnostics import SpecError
from stspec.network import load
from stspec.weights.catalogue import find_weights, read_catalogue, weights_names
from stspec.weights.library import importer_names

NAMES = weights_names()
FILES = sorted((data_root() / "specs" / "weights").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_spec_and_importer_are_there(name: str) -> None:
    keys = find_weights(name).keys
    assert keys.importer in importer_names()
    network = load(keys.spec, [("classes", keys.classes)])
    clip = network.spec.model.clip
    assert len(keys.input.mean) == len(keys.input.std) == clip.channels
    if keys.input.frames is not None:
        load(keys.spec, [("clip.frames", keys.input.frames), ("clip.size", keys.input.size)])


def test_a_code_bases_own_variant_is_meant() -> None:
    """Weights of a code base that differs under one name fit the variant named after it."""
    tokens = {frozenset(name.split("_")): name for name in index()}
    for name in NAMES:
        keys = find_weights(name).keys
        assert keys.importer is not None
        own = frozenset({*keys.spec.split("_"), keys.importer})
        assert tokens.get(own, keys.spec) == keys.spec, name


@pytest.mark.parametrize("name", NAMES)
def test_addresses_and_hashes(name: str) -> None:
    entry = find_weights(name)
    keys = entry.keys
    for address in filter(None, (keys.url, keys.page, keys.source)):
        parsed = urlparse(address)
        assert parsed.scheme == "https" and parsed.netloc and " " not in address
    if keys.sha256 is not None:
        assert entry.file is not None and keys.sha256 in entry.file
    if keys.accuracy is not None and keys.accuracy.top5 is not None:
        assert keys.accuracy.top1 is not None and keys.accuracy.top1 < keys.accuracy.top5
        assert keys.protocol


def test_addresses_are_told_once() -> None:
    found = [find_weights(name).keys.url for name in NAMES]
    addresses = [url for url in found if url is not None]
    assert len(addresses) == len(set(addresses)) > 50


def test_unknown_names() -> None:
    with pytest.raises(SpecError) as caught:
        find_weights("slow_r50_8x8_k40")
    assert caught.value.diagnostics[0].help == "did you mean `slow_r50_8x8_k400`?"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("spec: x", "missing-key"),
        ("sha256: XYZ", "bad-text"),
        ("classes: none", "wrong-type"),
        ("colour: rgb", "unknown-key"),
        ("page: https://example.org/p", "wrong-value"),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, line: str, code: str) -> None:
    whole = {
        "spec": "tsn_resnet18", "importer": "ibm", "licence": "MIT", "classes": "3",
        "source": "https://example.org", "url": "https://example.org/w.pth", "data": "K",
        "input": "{mean: [0.5], std: [0.5], channels: rgb, size: 8}",
    }  # fmt: skip
    key, _, value = line.partition(": ")
    if code == "missing-key":
        del whole["importer"]
    else:
        whole[key] = value
    rows = "".join(f"    {k}: {v}\n" for k, v in whole.items())
    path = tmp_path / "mine.yaml"
    path.write_text(f"stspec: 1\nweights:\n  mine:\n{rows}")
    with pytest.raises(SpecError) as caught:
        read_catalogue(path)
    found = caught.value.diagnostics[0]
    assert found.labels and found.code
