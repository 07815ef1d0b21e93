"""Metrics against implementations written from their definitions, one video at a time."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stspec.evaluate.fuse import fuse, probabilities
from stspec.evaluate.metrics import average_precision, measure

Rows = list[list[float]]
# Few different values, so that scores are often equal.
VALUES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])


@st.composite
def tables(draw: st.DrawFn, several: bool = False) -> tuple[Rows, list[list[int]]]:
    count, classes = draw(st.integers(1, 12)), draw(st.integers(1, 7))
    row = st.lists(VALUES, min_size=classes, max_size=classes)
    label = st.integers(0, classes - 1)
    one = st.lists(label, min_size=0 if several else 1, max_size=3 if several else 1, unique=True)
    rows = draw(st.lists(row, min_size=count, max_size=count))
    return rows, draw(st.lists(one, min_size=count, max_size=count))


def names(rows: Rows) -> list[str]:
    return [f"class {i}" for i in range(len(rows[0]))]


def first(row: list[float], k: int) -> list[int]:
    """The k classes of the highest scores, taken out one at a time."""
    left = dict(enumerate(row))
    taken: list[int] = []
    while left and len(taken) < k:
        best = max(left.values())
        number = min(c for c, score in left.items() if score == best)
        taken.append(number)
        del left[number]
    return taken


@given(tables())
def test_accuracies_of_one_label(table: tuple[Rows, list[list[int]]]) -> None:
    rows, labels = table
    found = measure(np.array(rows), labels, names(rows))
    pairs = [(row, label[0]) for row, label in zip(rows, labels, strict=True)]
    for k, share in ((1, found.top1), (5, found.top5)):
        right = sum(label in first(row, k) for row, label in pairs)
        assert share == pytest.approx(right / len(pairs), abs=1e-12)
    by_class: dict[int, list[bool]] = {}
    for row, label in pairs:
        by_class.setdefault(label, []).append(first(row, 1) == [label])
    means = [sum(each) / len(each) for each in by_class.values()]
    assert found.mean_class == pytest.approx(sum(means) / len(means), abs=1e-12)
    for number, told in enumerate(found.classes):
        hits = by_class.get(number, [])
        assert (told.count, told.correct) == (len(hits), sum(hits))
        assert (told.accuracy is None) == (not hits)
    table_ = [[0] * len(rows[0]) for _ in rows[0]]
    for row, label in pairs:
        table_[label][first(row, 1)[0]] += 1
    assert found.confusion is not None and found.confusion.tolist() == table_
    assert found.mean_ap is None


def precision_by_definition(scores: list[float], truth: list[bool]) -> Fraction | None:
    """Sum over thresholds of (recall gained) x (precision), each counted anew."""
    positives = sum(truth)
    if not positives:
        return None
    total, before = Fraction(0), Fraction(0)
    for threshold in sorted(set(scores), reverse=True):
        above = [t for s, t in zip(scores, truth, strict=True) if s >= threshold]
        recall = Fraction(sum(above), positives)
        total += (recall - before) * Fraction(sum(above), len(above))
        before = recall
    return total


@given(tables(several=True))
def test_average_precision_of_several_labels(table: tuple[Rows, list[list[int]]]) -> None:
    rows, labels = table
    found = measure(np.array(rows), labels, names(rows), multi_label=True)
    expected = []
    for number, told in enumerate(found.classes):
        scores = [row[number] for row in rows]
        exact = precision_by_definition(scores, [number in label for label in labels])
        assert (told.average_precision is None) == (exact is None)
        if exact is not None:
            assert told.average_precision == pytest.approx(float(exact), abs=1e-12)
            expected.append(exact)
    if expected:
        assert found.mean_ap == pytest.approx(float(sum(expected) / len(expected)), abs=1e-12)
    else:
        assert found.mean_ap is None
    right = sum(
        bool(set(label) & set(first(row, 5))) for row, label in zip(rows, labels, strict=True)
    )
    assert found.top5 == pytest.approx(right / len(rows), abs=1e-12)
    assert found.confusion is None and found.loss is None


@pytest.mark.parametrize(
    ("truth", "expected"),
    [([1, 1, 0, 0], 1.0), ([0, 0, 1, 1], (1 / 3 + 2 / 4) / 2), ([0, 1, 0, 1], 0.5)],
)
def test_average_precision_by_hand(truth: list[int], expected: float) -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(scores, np.array(truth, dtype=bool)) == pytest.approx(expected)


def test_the_loss_is_the_cross_entropy() -> None:
    scores = np.array([[0.5, 0.5], [0.25, 0.75]])
    found = measure(scores, [[0], [0]], ["a", "b"])
    assert found.loss == pytest.approx((math.log(2) + math.log(4)) / 2)
    none = measure(np.array([[0.0, 1.0]]), [[0]], ["a", "b"])
    assert none.loss is not None and math.isfinite(none.loss) and none.loss > 500


def test_no_videos_have_no_accuracy() -> None:
    found = measure(np.zeros((0, 3)), [], ["a", "b", "c"])
    assert (found.count, found.top1, found.mean_class, found.loss) == (0, None, None, None)


def softmax(row: list[float]) -> list[float]:
    weights = [math.exp(x) for x in row]
    return [w / sum(weights) for w in weights]


@given(
    st.integers(1, 4).flatmap(
        lambda k: st.lists(
            st.lists(st.floats(-20, 20), min_size=k, max_size=k), min_size=1, max_size=5
        )
    )
)
def test_fusion_is_what_its_names_say(views: Rows) -> None:
    logits = np.array([views])
    columns = list(zip(*views, strict=True))
    mean = [sum(column) / len(column) for column in columns]
    alone = list(zip(*map(softmax, views), strict=True))
    most = [max(column) for column in alone]
    expected = {
        ("logits", "mean"): softmax(mean),
        ("logits", "max"): softmax([max(column) for column in columns]),
        ("probabilities", "mean"): [sum(column) / len(column) for column in alone],
        ("probabilities", "max"): [each / sum(most) for each in most],
    }
    for (what, by), row in expected.items():
        assert fuse(logits, what, by)[0].tolist() == pytest.approx(row, abs=1e-9)  # type: ignore[arg-type]
    sigmoid = [[1 / (1 + math.exp(-x)) for x in view] for view in views]
    several = fuse(logits, "probabilities", "max", multi_label=True)[0]
    assert several.tolist() == pytest.approx([max(c) for c in zip(*sigmoid, strict=True)])


def test_fusions_differ_where_one_view_is_sure() -> None:
    # Means of logits follow the sure view, means of probabilities the two unsure ones.
    views = np.array([[[20.0, 0.0], [0.0, 4.0], [0.0, 4.0]]])
    assert fuse(views, "logits", "mean")[0].argmax() == 0
    assert fuse(views, "probabilities", "mean")[0].argmax() == 1


def test_probabilities_do_not_overflow() -> None:
    huge = np.array([[1e4, -1e4, 0.0]])
    assert probabilities(huge).tolist() == [[1.0, 0.0, 0.0]]
    assert probabilities(huge, multi_label=True).tolist() == [[1.0, 0.0, 0.5]]
