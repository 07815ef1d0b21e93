"""The page of a study, in text and in a real browser: complete, the same, and safe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from stspec.evaluate.predictions import read_answers
from stspec.study.records import Facets, Result
from stspec.study.report import collect, render
from stspec.study.report.confusions import outcome
from stspec.study.report.encode import as_json, varints
from tests.study.chromium import Browser
from tests.study.made_runs import Made

HOSTILE = (
    "</script><script>window.broken=1</script>", "<img src=x onerror='window.broken=1'>",
    "\"'`${window.broken=1}", "__proto__", "line\u2028and\u2029paragraph", "]]>-->", "1e5",
)  # fmt: skip
DRAWN = "document.querySelectorAll('.plot:not([data-drawn])').length === 0"


@pytest.fixture(scope="module")
def tab(browser_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(browser_program, tmp_path_factory.mktemp("user")) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser_program() -> Path:
    from tests.conftest import browser_path

    path = browser_path()
    assert path is not None, "mark this test with pytest.mark.needs_browser"
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    return Made(latency=True).results(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(results: list[Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(render(collect("Made", results)), encoding="utf-8")
    return path


@pytest.mark.needs_browser
def test_every_plot_is_drawn_and_nothing_is_fetched(tab: Browser, page: Path) -> None:
    tab.screen(1200)
    tab.open(page)
    tab.wait(DRAWN)
    assert tab.run("document.querySelectorAll('.plot svg .point').length") > 0
    assert tab.said == []
    assert [each for each in tab.fetched if not each.startswith("data:")] == [page.as_uri()]


@pytest.mark.needs_browser
def test_a_heading_sorts_by_the_keyboard(
    tab: Browser, page: Path, results: list[Result]
) -> None:  # fmt: skip
    tab.open(page)
    tab.run("document.querySelector('th[data-column=top1] button').focus()")
    for order in ("descending", "ascending"):
        tab.press("Enter", 13, "\r")
        tab.wait(f"document.querySelector('[aria-sort]')?.ariaSort === '{order}'")
        shown = tab.run("[...document.querySelectorAll('#runs tbody th')].map(e => e.textContent)")
        top1 = {each.name: each.top1 or 0.0 for each in results}
        values = [top1[name] for name in shown]
        assert values == sorted(top1.values(), reverse=order == "descending")


@pytest.mark.needs_browser
def test_filters_leave_what_was_asked_for(tab: Browser, page: Path) -> None:
    tab.open(page)
    tab.run("document.querySelector('fieldset[data-filter=policy] input').click()")
    tab.wait("document.querySelector('#count').textContent === '4 of 8 models'")
    cells = "[...document.querySelectorAll('#runs tbody tr:not([hidden])')].map(e => e.textContent)"
    assert all("tsn" in text for text in tab.run(cells))
    tab.run("document.querySelector('#search').value = 'resnet50'")
    tab.run("document.querySelector('#filters').dispatchEvent(new Event('input'))")
    assert len(tab.run(cells)) == 2
    tab.run("document.querySelector('#reset').click()")
    assert len(tab.run(cells)) == 8


@pytest.mark.needs_browser
def test_one_model_is_told_in_full(tab: Browser, page: Path, results: list[Result]) -> None:
    tab.open(page, "#run-3")
    tab.wait("document.querySelector('#detail button') !== null")
    text = tab.run("document.querySelector('#detail').textContent")
    assert results[3].folder is not None
    assert (results[3].folder / "spec.yaml").read_text(encoding="utf-8") in text
    assert "+   pooling: True" in text or "-   pooling: False" in text
    tab.run("document.querySelector('#detail button').click()")
    tab.wait("document.querySelector('.confusion .plot[data-drawn]') !== null")
    tab.wait(DRAWN)
    assert tab.said == []


@pytest.mark.needs_browser
def test_gains_stand_on_the_arrows_from_tsn(
    tab: Browser, page: Path, results: list[Result]
) -> None:  # fmt: skip
    tab.open(page)
    tab.wait("document.querySelector('#evolution-graph .plot[data-drawn]') !== null")
    top1 = {(r.facets.policy, r.facets.temporal_pooling): r.top1 or 0.0
            for r in results if r.facets.backbone == "resnet18"}  # fmt: skip
    steps = [
        (("tsn", False), ("tam", False)), (("tsn", True), ("tam", True)),
        (("tsn", False), ("tsn", True)), (("tam", False), ("tam", True)),
    ]  # fmt: skip
    gains = [top1[b] - top1[a] for a, b in steps]
    texts = tab.run("[...document.querySelectorAll('#evolution-graph .annotation')]"
                    ".map(e => e.textContent).filter(Boolean)")  # fmt: skip
    assert sorted(texts) == sorted(f"{100 * g:+.1f}".replace("-", "\N{MINUS SIGN}") for g in gains)
    rows = "document.querySelectorAll('#evolution-graph tbody tr').length"
    assert tab.run(rows) == len(steps)


@pytest.mark.needs_browser
def test_classes_are_ranked_by_their_temporal_gain(tab: Browser, page: Path) -> None:
    tab.open(page)
    tab.run("document.querySelector('.ranked').open = true")
    tab.wait("document.querySelectorAll('.ranked tbody tr').length === 4")
    rows = "[...document.querySelectorAll('.ranked tbody tr')]"
    cells = tab.run(f"{rows}.map(e => e.cells[3].innerText)")
    means = [float(text.replace("\N{MINUS SIGN}", "-")) for text in cells]
    assert means == sorted(means, reverse=True)
    models = "[...document.querySelectorAll('.agreement tbody th')].map(e => e.textContent)"
    assert tab.run(models) == ["tam", "tam_tp"]


@pytest.mark.needs_browser
def test_a_phone_need_not_scroll_sideways(tab: Browser, page: Path) -> None:
    tab.screen(375, 800, phone=True)
    tab.open(page, "#run-3")
    tab.wait(DRAWN)
    wide = tab.run("document.documentElement.scrollWidth")
    tab.screen(1200)
    assert wide <= 375


@pytest.mark.needs_browser
def test_plots_follow_the_dark(tab: Browser, page: Path) -> None:
    colour = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    with tab.media(prefers_color_scheme="light"):
        tab.open(page)
        tab.wait(DRAWN)
        light = tab.run(colour)
    with tab.media(prefers_color_scheme="dark"):
        tab.wait(f"{colour} !== '{light}'")


@pytest.mark.needs_browser
def test_what_can_be_used_has_a_name_that_can_be_spoken(tab: Browser, page: Path) -> None:
    tab.open(page, "#run-3")
    tab.wait(DRAWN)
    tab.send("Accessibility.enable")
    nodes = tab.send("Accessibility.getFullAXTree")["nodes"]
    tab.send("Accessibility.disable")
    roles = {"button", "link", "combobox", "checkbox", "searchbox", "image", "table", "region",
             "form", "group", "navigation"}  # fmt: skip
    told = dict.fromkeys(roles, 0)
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in roles and not node["ignored"]:
            told[role] += 1
            named = node.get("name", {}).get("value") or role in ("group", "form")
            assert named, f"a {role} without a name: {node}"
    assert min(told[role] for role in ("button", "link", "combobox", "checkbox", "image")) > 0
    heads = tab.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
    assert heads[0] == 1 and all(b <= a + 1 for a, b in pairwise(heads))
    captions = "[...document.querySelectorAll('table')].every(e => e.caption !== null)"
    assert tab.run(captions)


@pytest.mark.needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_from_the_ground(tab: Browser, page: Path, scheme: str) -> None:
    # WCAG 2.2: 4.5 to 1 of texts, 3 to 1 of marks and of the edges of what can be used.
    with tab.media(prefers_color_scheme=scheme):
        tab.open(page)
        names = ["ground", "raised", "ink", "soft", "link", "plus", "minus", "edge",
                 *(f"c{number}" for number in range(8))]  # fmt: skip
        style = "getComputedStyle(document.documentElement).getPropertyValue"
        found = {name: str(tab.run(f"{style}('--{name}')")).strip() for name in names}
    for name in names[2:]:
        for ground in names[:2]:
            least = 4.5 if name in ("ink", "soft", "link", "plus", "minus") else 3.0
            if name != "edge" or ground == "ground":
                assert contrast(found[name], found[ground]) >= least, (name, ground)


def contrast(a: str, b: str) -> float:
    """Return the ratio of two colours' luminances, as WCAG 2.2 has it."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.needs_browser
def test_hostile_names_are_but_text(tab: Browser, tmp_path: Path) -> None:
    policies = ("tsn", *HOSTILE[2:5])
    made = Made(data=HOSTILE[:1], backbones=HOSTILE[:2], policies=policies, classes=HOSTILE)
    # A folder's name is a key's, so the names stand in facets, settings, specs and classes.
    found = made.results(tmp_path / "runs")
    path = tmp_path / "page.html"
    path.write_text(render(collect(HOSTILE[0], found)), encoding="utf-8")
    tab.open(path, "#run-5")
    tab.wait("document.querySelector('#detail button') !== null")
    tab.run("document.querySelector('#detail button').click()")
    tab.wait("document.querySelector('.confusion .plot[data-drawn]') !== null")
    tab.wait(DRAWN)
    assert tab.run("window.broken === undefined && document.querySelector('img') === null")
    assert tab.run("document.querySelector('h1').textContent") == HOSTILE[0]
    assert tab.run("document.querySelectorAll('#class-gains tbody tr').length") == len(HOSTILE)
    assert tab.run("document.querySelectorAll('#contributions tbody tr').length") == 6
    tab.run("document.querySelectorAll('.gain details').forEach(e => e.open = true)")
    tab.wait("document.querySelectorAll('.gain tbody tr').length === 8 + 8")
    assert tab.said == []


def test_the_same_results_are_the_same_page_anywhere(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tests.study.made_runs import Made;"
        "from stspec.study.report import collect, render;"
        "found = Made(videos=8).results(pathlib.Path(sys.argv[1]));"
        "sys.stdout.write(render(collect('Made', found)))"
    )
    pages = []
    for seed in "12":
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)], capture_output=True, check=True,
            cwd=Path(__file__).parents[2], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        )  # fmt: skip
        pages.append(run.stdout)
    assert pages[0] == pages[1] and len(pages[0]) > 1_000_000


def test_what_is_published_needs_no_folder_and_an_empty_study_says_so() -> None:
    facets = Facets("mini", "resnet18", "tsn", False, 8)
    printed = Result("k", "n", facets, {}, 0.5, None, None, 1, 2, source="published")
    assert "No latency was measured" in render(collect("Printed", [printed]))
    assert "There are no results yet" in render(collect("Empty", []))


def test_yours_stands_beside_what_is_published() -> None:
    # The study of 2021 prints 33.1384 % of TSN on InceptionV1, 8 frames of Mini-SSV2.
    facets = Facets("Mini-SSV2", "inceptionv1", "tsn", False, 8)
    mine = Result("l", "mine", facets, {}, 0.361384, None, None, 1, 2, seed=0)
    text = render(collect("Both", [mine]))
    assert "33.1" in text and "+3.0" in text and "n = 1 seed" in text


def test_damaged_predictions_are_told_and_passed_over(results: list[Result]) -> None:
    path = results[0].predictions
    assert path is not None
    data = path.read_bytes()
    path.write_bytes(data[:-9])
    said: list[str] = []
    try:
        subject = collect("Made", results, say=said.append)
    finally:
        path.write_bytes(data)
    assert len(said) == 1 and results[0].name in said[0]
    assert subject.outcomes[0] is None and all(subject.outcomes[1:])


def test_confusions_count_every_video(results: list[Result]) -> None:
    assert results[0].predictions is not None
    found = outcome(read_answers(results[0].predictions))
    assert found is not None
    assert found.counts == [15, 15, 15, 15]
    assert sum(found.correct) / 60 == pytest.approx(results[0].top1)
    assert found.often.sum() == 60


def test_json_in_a_script_ends_none() -> None:
    assert not set("<>&\u2028") & set(as_json(list(HOSTILE)))


def test_numbers_of_seven_bits_a_byte() -> None:
    # The examples of the DWARF standard, figure C.1.
    assert varints([2, 127, 128, 129, 12857]) == bytes(
        [2, 127, 0x80, 1, 0x81, 1, 0x39 + 0x80, 0x64]
    )
