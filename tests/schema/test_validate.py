from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from stspec.diagnostics import Diagnostic, SpecError
from stspec.schema.validate import InvalidError, locate, validate
from stspec.source import Mapping, from_python, read_text


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Pool(Strict):
    kernel: int
    op: Literal["max", "avg"] = "max"
    start: int = Field(default=0, alias="from")


class Insert(Strict):
    insert: str
    kernel: int


class Convert(Strict):
    to: str
    inflate: bool = False


def kind_of(value: Any) -> str:
    return "insert" if isinstance(value, dict) and "insert" in value else "to"


Rule = Annotated[
    Annotated[Insert, Tag("insert")] | Annotated[Convert, Tag("to")], Discriminator(kind_of)
]


class Place(Enum):
    FIRST = "first"
    LAST = "last"


def as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Numbers = Annotated[list[int], BeforeValidator(as_list)]


class Model(Strict):
    frames: int = Field(default=8, gt=0, le=64)
    size: int | tuple[int, int] = 224
    pool: Literal["none"] | Pool = "none"
    place: Place = Place.FIRST
    rules: dict[str, Rule] = {}
    stages: dict[int, Numbers] = {}
    blocks: Numbers | Pool | None = None
    groups: int | Literal["depthwise"] = 1
    ratio: float = Field(default=0.5, ge=0, lt=1, multiple_of=0.25)
    crop: bool = False
    name: str = Field(default="a", pattern="^a+$", max_length=3)
    needs: list[int] = Field(default=[1], min_length=1)

    @field_validator("frames")
    @classmethod
    def _odd(cls, frames: int) -> int:
        if frames == 13:
            raise ValueError("thirteen frames bring bad luck")
        return frames

    @model_validator(mode="after")
    def _together(self) -> "Model":
        if self.frames == 7 and self.crop:
            raise InvalidError(
                "seven frames cannot be cropped",
                code="bad-crop",
                help="take eight",
                at=("crop",),
            )
        return self


def problems(text: str, **options: Any) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        validate(read_text(text, "<text>"), Model, **options)
    return list(caught.value.diagnostics)


def problem(text: str, **options: Any) -> Diagnostic:
    found = problems(text, **options)
    assert len(found) == 1, found
    return found[0]


def labelled(text: str, diagnostic: Diagnostic) -> str:
    """The text under the first label."""
    span = diagnostic.labels[0].span
    line = text.split("\n")[span.line - 1]
    return line[span.column - 1 : span.end_column - 1]


def test_a_valid_tree() -> None:
    text = "frames: 16\nsize: [1, 2]\nratio: 0\nstages: {3: 1, 4: [5]}\nplace: last\nblocks: 2\n"
    model = validate(read_text(text, "<text>"), Model)
    assert model.size == (1, 2)
    assert isinstance(model.ratio, float)
    assert model.stages == {3: [1], 4: [5]}
    assert model.place is Place.LAST
    assert model.blocks == [2]


@pytest.mark.parametrize(
    ("text", "code", "message", "label", "under"),
    [
        ("frames: true", "wrong-type", "`frames` must be an integer",
         "expected an integer, found true", "true"),
        ("frames: 8 frames", "wrong-type", "`frames` must be an integer",
         'expected an integer, found "8 frames"', "8 frames"),
        ("frames: '8'", "wrong-type", "`frames` must be an integer",
         'expected an integer, found "8"', "'8'"),
        ("frames: 8.0", "wrong-type", "`frames` must be an integer",
         "expected an integer, found 8.0", "8.0"),
        ("frames: [8]", "wrong-type", "`frames` must be an integer",
         "expected an integer, found a list", "[8]"),
        ("frames: 65", "out-of-range", "`frames` must be at most 64", "65 is too large", "65"),
        ("frames: 0", "out-of-range", "`frames` must be greater than 0", "0 is too small", "0"),
        ("frames: 13", "bad-value", "thirteen frames bring bad luck", "found 13", "13"),
        ("ratio: 1", "out-of-range", "`ratio` must be less than 1", "1 is too large", "1"),
        ("ratio: -1", "out-of-range", "`ratio` must be at least 0", "-1 is too small", "-1"),
        ("ratio: 0.3", "out-of-range", "`ratio` must be a multiple of 0.25",
         "0.3 is no multiple of it", "0.3"),
        ("ratio: half", "wrong-type", "`ratio` must be a number",
         'expected a number, found "half"', "half"),
        ("crop: 1", "wrong-type", "`crop` must be true or false",
         "expected true or false, found 1", "1"),
        ("name: 3", "wrong-type", "`name` must be text", "expected text, found 3", "3"),
        ("name: b", "bad-value", '`name` cannot be "b"', "does not have the expected form", "b"),
        ("name: aaaa", "bad-length", "`name` must have at most 3 characters", "has 4", "aaaa"),
        ("needs: []", "bad-length", "`needs` must have at least 1 item", "has none", "[]"),
        ("needs: 1", "wrong-type", "`needs` must be a list", "expected a list, found 1", "1"),
        ("needs: [1, x]", "wrong-type", "`needs[1]` must be an integer",
         'expected an integer, found "x"', "x"),
        ("size: x", "wrong-type", "`size` must be an integer or a list",
         'expected an integer or a list, found "x"', "x"),
        ("size: [1]", "bad-length", "`size` has too few items", "has 1", "[1]"),
        ("size: [1, 2, 3]", "bad-length", "`size` must have at most 2 items", "has 3", "[1, 2, 3]"),
        ("size: [1, x]", "wrong-type", "`size[1]` must be an integer",
         'expected an integer, found "x"', "x"),
        ("pool: max", "wrong-type", "`pool` must be a mapping or `none`",
         'expected a mapping or `none`, found "max"', "max"),
        ("pool: {kernel: 3, op: mx}", "unknown-choice", '`pool.op` cannot be "mx"',
         "not one of the choices", "mx"),
        ("pool: {kernel: 3, form: 1}", "unknown-key", "`pool` has no key `form`",
         "not known here", "form"),
        ("pool: {op: max}", "missing-key", "`pool` lacks the key `kernel`",
         "expected the key `kernel` in here", "{op: max}"),
        ("pool:\n  op: max", "missing-key", "`pool` lacks the key `kernel`",
         "expected the key `kernel` in here", "pool"),
        ("place: lst", "unknown-choice", '`place` cannot be "lst"',
         "not one of the choices", "lst"),
        ("rules: {a: {insert: tam}}", "missing-key", "`rules.a` lacks the key `kernel`",
         "expected the key `kernel` in here", "{insert: tam}"),
        ("rules: {a: {insert: tam, kernal: 3}}", "unknown-key", "`rules.a` has no key `kernal`",
         "not known here", "kernal"),
        ("rules: {a: {to: conv3d, kernel: 3}}", "unknown-key", "`rules.a` has no key `kernel`",
         "not known here", "kernel"),
        ("rules: {a: {insert: 3, kernel: 3}}", "wrong-type", "`rules.a.insert` must be text",
         "expected text, found 3", "3"),
        ("rules: {a: tam}", "wrong-type", "`rules.a` must be a mapping",
         'expected a mapping, found "tam"', "tam"),
        ("stages: {a: 1}", "bad-key", "`a` cannot be a key of `stages`",
         "expected an integer, found `a`", "a"),
        ("blocks: x", "wrong-type", "`blocks` must be an integer or a mapping",
         'expected an integer or a mapping, found "x"', "x"),
        ("blocks: {op: max}", "missing-key", "`blocks` lacks the key `kernel`",
         "expected the key `kernel` in here", "{op: max}"),
        ("groups: 1.5", "wrong-type", "`groups` must be an integer or `depthwise`",
         "expected an integer or `depthwise`, found 1.5", "1.5"),
        ("crop: true\nframes: 7", "bad-crop", "seven frames cannot be cropped",
         "found true", "true"),
    ],
)  # fmt: skip
def test_what_is_said(text: str, code: str, message: str, label: str, under: str) -> None:
    found = problem(text)
    assert (found.code, found.message) == (code, message)
    assert found.labels[0].text == label
    assert labelled(text, found) == under


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("frame: 8", "did you mean `frames`?"),
        ("frames: '8'", "remove the quotes"),
        ("ratio: '.5'", "remove the quotes"),
        ("crop: yes", "write `true`"),
        ("crop: Off", "write `false`"),
        ("needs: 1", "write `[1]`"),
        ("name: true", 'put it in quotes: "true"'),
        ("pool: nnone", "did you mean `none`?"),
        ("pool: {kernel: 1, op: mav}", "did you mean `max`?"),
        ("pool: {kernel: 1, form: 2}", "did you mean `from`?"),
        ("place: middle", "choose from `first`, `last`"),
        ("groups: depth-wise", "did you mean `depthwise`?"),
        ("rules: {a: {insert: tam, kernal: 3}}", "did you mean `kernel`?"),
        ("pool.kernel: 3", "nest the keys: paths with dots are for `variants` and `--set`"),
        ("crop: true\nframes: 7", "take eight"),
    ],
)
def test_help(text: str, help: str) -> None:
    assert problem(text).help == help


def test_messages_speak_of_the_whole_path() -> None:
    found = problems("frames: x\nwhat: 1", path=("policy", "clip"))
    assert [d.message for d in found] == [
        "`policy.clip.frames` must be an integer",
        "`policy.clip` has no key `what`",
    ]


def test_a_missing_key_points_at_the_key_of_the_mapping() -> None:
    tree = read_text("pool:\n  op: max\n", "<text>")
    node, key = tree.get("pool"), tree.key("pool")
    assert isinstance(node, Mapping)
    with pytest.raises(SpecError) as caught:
        validate(node, Pool, key=key, path=("pool",))
    (found,) = caught.value.diagnostics
    assert found.labels[0].span == (key.span if key else None)
    with pytest.raises(SpecError) as caught:
        validate(node, Pool)
    assert caught.value.diagnostics[0].message == "the key `kernel` is missing"


def test_other_keys_are_offered_as_well() -> None:
    assert problem("wher: {}", also=("where", "at")).help == "did you mean `where`?"


def test_keys_that_are_there_are_not_offered() -> None:
    help = problem("frames: 8\nframess: 8").help
    assert help is None or "`frames`" not in help


def test_all_mistakes_in_the_order_of_the_text() -> None:
    text = "zoom: 1\nsize: x\npool: {op: mx, kernel: '3'}\nframes: 0\n"
    assert [(d.code, d.position[1]) for d in problems(text)] == [
        ("unknown-key", 1),
        ("wrong-type", 2),
        ("unknown-choice", 3),
        ("wrong-type", 3),
        ("out-of-range", 4),
    ]


def test_context_reaches_validators() -> None:
    class Asks(Strict):
        a: int

        @field_validator("a")
        @classmethod
        def _check(cls, a: int, info: Any) -> int:
            if a > info.context["most"]:
                raise ValueError("more than there is")
            return a

    tree = read_text("a: 3", "<text>")
    assert validate(tree, Asks, context={"most": 3}).a == 3
    with pytest.raises(SpecError, match="more than there is"):
        validate(tree, Asks, context={"most": 2})


def test_an_error_of_ours_inside_a_validator_passes_through() -> None:
    class Raises(Strict):
        a: int

        @field_validator("a")
        @classmethod
        def _check(cls, a: int) -> int:
            raise SpecError(Diagnostic("own", "our own words"))

    with pytest.raises(SpecError, match="our own words"):
        validate(read_text("a: 3", "<text>"), Raises)


def test_locate_is_shared() -> None:
    key, value = locate(read_text("a: {b: 1}", "<text>"), ("a", "b"))
    assert key is not None
    assert (key.column, value.column) == (5, 8)


WORDS = ["pydantic", "input", "validation", "literal[", "union", "function-", "should be a valid"]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99) | st.floats() | st.text("aé: '\n", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kernel", "op", "insert", "to", "x", "1"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*Model.model_fields, "other", "frame"]), values))
def test_any_tree_is_valid_or_told_in_our_words(spec: dict[str, Any]) -> None:
    tree = from_python(spec)
    assert isinstance(tree, Mapping)
    try:
        validate(tree, Model)
    except SpecError as error:
        for diagnostic in error.diagnostics:
            assert diagnostic.labels
            said = (diagnostic.message + diagnostic.labels[0].text).lower()
            assert not [word for word in WORDS if word in said]
