import pytest

from stspec.diagnostics import did_you_mean, nearest
from stspec.diagnostics.suggest import distance

KEYS = ("kernel", "kernel_t", "stride", "padding", "groups", "resnet50", "resnet101")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kernal", "kernel"),
        ("kerenl", "kernel"),
        ("Kernel-T", "kernel_t"),
        ("strides", "stride"),
        ("pad", "padding"),
        ("resnet", "resnet50"),
        ("resnet5", "resnet50"),
        ("resnet_50", "resnet50"),
        ("group", "groups"),
        ("dilation", None),
        ("", None),
        ("x", None),
        ("xyz" * 1000, None),
    ],
)
def test_nearest(name: str, expected: str | None) -> None:
    assert nearest(name, KEYS) == expected


def test_an_exact_name_wins() -> None:
    assert nearest("kernel_t", KEYS) == "kernel_t"


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3)],
)
def test_distance(a: str, b: str, edits: int) -> None:
    assert distance(a, b) == distance(b, a) == edits


def test_help_names_the_nearest_or_lists_the_choices() -> None:
    assert did_you_mean("kernal", KEYS) == "did you mean `kernel`?"
    assert did_you_mean("zzz", ("a", "b")) == "choose from `a`, `b`"
    assert did_you_mean("zzz", ("a",)) == "the only choice is `a`"
    assert did_you_mean("zzz", ()) == ""
    many = did_you_mean("zzz", [f"name{i}" for i in range(20)])
    assert many.endswith("`name11` and 8 more")


def test_a_letter_of_another_script_is_named() -> None:
    help = did_you_mean("fr\N{CYRILLIC SMALL LETTER A}mes", ["frames", "size"])
    assert help == "did you mean `frames`? (`\u0430` is cyrillic small letter a)"
    assert did_you_mean("fr\N{LATIN SMALL LETTER A WITH DIAERESIS}mess", ["frames"]).endswith("?")
