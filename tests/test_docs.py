"""The documents are true: their YAML compiles, their Python runs, their figures are today's."""

from __future__ import annotations

import doctest
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts import readme
from stspec.blocks.heads import HEADS
from stspec.network import load
from stspec.study.study import load_study
from stspec.weights.library import load_importer

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [path for path in readme.documents() if path.name != "CHANGELOG.md"]
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]+)(#[^)]*)?\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a document; `info` is what stands behind its fence."""

    document: str
    line: int
    info: str
    body: str

    @property
    def generated(self) -> bool:
        return self.body.startswith(("# specs/", "# examples/"))


def blocks(language: str) -> Iterator[Block]:
    """Yield the blocks of all documents whose fence begins with a language."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            if found["info"].split()[:1] == [language]:
                line = text.count("\n", 0, found.start()) + 1
                name = path.relative_to(ROOT).as_posix()
                yield Block(name, line, found["info"], found["body"])


def where(block: Block) -> str:
    return f"{block.document}:{block.line}"


# How a block of YAML becomes a model: what its fence says behind `yaml`.
AS_MODEL = {
    "model": "{body}",
    "part": "stspec: 1\nextends: families/tsn\n{body}",
    "policy": "stspec: 1\nextends: families/tsn\npolicy:\n{indented}",
    "backbone": "stspec: 1\nclip: {{frames: 8, size: 224}}\npolicy: tsn\nbackbone:\n{indented}",
}

YAML = [block for block in blocks("yaml") if not block.generated]


@pytest.mark.parametrize("block", YAML, ids=where)
def test_every_block_of_yaml_is_right(block: Block, tmp_path: Path) -> None:
    _, _, kind = block.info.partition(" ")
    path = tmp_path / "block.yaml"
    if kind == "importer":
        path.write_text(block.body)
        load_importer(str(path))
        return
    if kind == "study":
        head = "stspec: 1\nbase: tsn_resnet50\nrecipe: study2021\n"
        path.write_text(head + block.body)
        assert load_study(path).rows
        return
    assert kind in AS_MODEL, f"{where(block)}: say `yaml` and one of study, {', '.join(AS_MODEL)}"
    path.write_text(
        AS_MODEL[kind].format(body=block.body, indented=textwrap.indent(block.body, "  "))
    )
    variants = re.findall(r"^  (\w+): \{", block.body.partition("variants:\n")[2], re.MULTILINE)
    for variant in [None, *variants]:
        assert load(path, variant=variant).facts.params > 0


def test_the_language_describes_every_head() -> None:
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- begin fields: head (\w+) -->", text)) == set(HEADS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_in_documents_prints_what_they_say(path: Path) -> None:
    failed, _ = doctest.testfile(str(path), module_relative=False)
    assert failed == 0


def test_the_readme_has_python_that_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(doctest.DocTestParser().get_examples(text)) >= 8


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_generated_parts_are_todays(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert readme.renewed(text) == text, "`python -m scripts.readme` writes them anew"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    links = [found["path"] for found in LINK.finditer(text)]
    missing = [link for link in links if not (path.parent / link).exists()]
    assert not missing


def test_anchors_lead_to_headings() -> None:
    for path in DOCUMENTS:
        text = FENCE.sub("", path.read_text(encoding="utf-8"))
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            assert anchor in slugs, f"{path.name}: #{anchor}"
