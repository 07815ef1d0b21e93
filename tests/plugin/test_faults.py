"""Broken operators of users: a diagnosis and status 2, whatever is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stspec.cli.main import main
from tests.plugin.project import BY_PATH, FILES, copy_files, install, stspec, write_spec

Capture = pytest.CaptureFixture[str]

DECLARATIONS = {
    "syntax": ("class LeakyMemory(Op):", "class LeakyMemory(Op:", "SyntaxError"),
    "no subclass": ("class LeakyMemory(Op):", "class LeakyMemory:", "declares no operator"),
    "name of ours": ('"leaky_memory"', '"tam"', "takes the name `tam`"),
    "kind": ('"leaky_memory"', '"leaky memory"', "`kind`, an identifier"),
    "import": ("from pathlib", "import nowhere_to_be_found\nfrom pathlib", "ModuleNotFoundError"),
    "list": (
        "    half_life: float",
        "    delays: list[int] = [1]\n    half_life: float",
        "declare lists as tuples",
    ),
    "layout": (
        'layout: ClassVar[Layout | None] = "',
        'layout: ClassVar[str] = "x',
        "has the layout",
    ),
    "field": ("half_life: float", "half_life: Nothing", "type is not defined"),
}


def refused(capsys: Capture, *arguments: str | Path) -> str:
    """Run a command line that must be refused, and return its diagnosis."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    _, err = capsys.readouterr()
    assert code == 2
    assert err.startswith("error[")
    assert "Traceback" not in err
    assert "internal-error" not in err
    return err


@pytest.mark.parametrize("name", DECLARATIONS)
def test_a_broken_declaration(name: str, tmp_path: Path, capsys: Capture) -> None:
    old, new, told = DECLARATIONS[name]
    copy_files(tmp_path)
    file = tmp_path / FILES[0]
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    err = refused(capsys, "check", write_spec(tmp_path, BY_PATH))
    assert told in " ".join(err.split())
    assert "mine.yaml:10:" in err


VALUES = {
    "half_life=soon": "must be a number",
    "half_life=true": "must be a number",
    "half_life=-1.0": "must be greater than 0",
    "mix=1": "must be true or false",
    "start=frist": "did you mean `first`?",
    "half_lief=2.0": "half_life",
}


@pytest.mark.parametrize("value", VALUES)
def test_a_wrong_value_of_its_field(value: str, tmp_path: Path, capsys: Capture) -> None:
    copy_files(tmp_path)
    spec = write_spec(tmp_path, BY_PATH)
    err = refused(capsys, "check", spec, "--set", f"policy.temporal.memory.{value}")
    assert VALUES[value] in " ".join(err.split())


def test_a_shape_that_it_refuses_is_told_at_the_field_it_names(
    tmp_path: Path, capsys: Capture
) -> None:
    copy_files(tmp_path)
    err = refused(capsys, "check", write_spec(tmp_path, BY_PATH), "--set", "clip.frames=1")
    assert "a clip of one frame has no past" in " ".join(err.split())
    assert "mine.yaml:13:" in err


def test_a_module_with_other_parameters_than_declared(tmp_path: Path, capsys: Capture) -> None:
    copy_files(tmp_path)
    template = tmp_path / FILES[1]
    text = template.read_text(encoding="utf-8")
    gain = "self.gain = nn.Parameter(torch.full((channels,"
    assert f"{gain})" in text
    template.write_text(text.replace(gain, f"{gain} 1"), encoding="utf-8")
    err = refused(capsys, "build", write_spec(tmp_path, BY_PATH), "-o", tmp_path / "out.py")
    assert "layer2.0.memory.gain" in err
    assert "params() of leaky_memory" in " ".join(err.split())
    assert not (tmp_path / "out.py").exists()


CODE = {
    "infer raises": (
        0,
        "return inputs[0]",
        "raise KeyError('lost')",
        "raises KeyError: 'lost' for",
    ),
    "infer forgets": (0, "return inputs[0]", "return None", "infer() returns None"),
    "class of another name": (1, "class LeakyMemory(", "class Leaky(", "does not define"),
    "template is no Python": (1, "class LeakyMemory(", "class (", "is no Python"),
    "macs of no class": (0, '= {"linear":', '= {"lines":', "it counts convolution, linear, matmul"),
    "no window": (0, "return Window(global_time=True)", "return None", "is no Window"),
    "window raises": (0, "return Window(", "raise OSError('no'); return Window(", "in window()"),
    "no layer": (0, "return Layer(", "return str(", "raises TypeError"),
    "argument of no name": (0, 'Arg("start",', 'Arg("start=1, *",', "an argument named"),
    "argument of no value": (0, "self.start,", "object(),", "which cannot be written"),
    "shape of no size": (0, 'Param("decay", (c,))', 'Param("decay", (c / 2,))', "decay the shape"),
    "two of a name": (0, 'Param("gain"', 'Param("decay"', "two parameters named decay"),
    "import of more": (1, "import torch\n", "import torch\nimport math\n", "`import math`"),
    "name of the source": (
        1,
        "GAIN = 0.25\n",
        "def fold_time() -> None: ...\n",
        "defines fold_time",
    ),
    "forward raises": (
        1,
        "clip = torch",
        "nothing = missing; clip = torch",
        "cannot run: NameError",
    ),
    "module raises": (1, "super().__init__()", "raise OSError('no luck')", "OSError: no luck"),
}


@pytest.mark.parametrize("name", CODE)
def test_broken_code(name: str, tmp_path: Path, capsys: Capture) -> None:
    file, old, new, told = CODE[name]
    copy_files(tmp_path)
    path = tmp_path / FILES[file]
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    err = refused(capsys, "build", write_spec(tmp_path, BY_PATH), "-o", tmp_path / "out.py")
    assert "error[broken-op]" in err
    assert told in " ".join(err.split())
    assert not (tmp_path / "out.py").exists()


def test_a_missing_template(tmp_path: Path, capsys: Capture) -> None:
    copy_files(tmp_path)
    (tmp_path / FILES[1]).unlink()
    err = refused(capsys, "check", write_spec(tmp_path, BY_PATH))
    assert "no readable module template" in " ".join(err.split())
    assert "mine.yaml:" in err


POINTS = {
    "module": ("leaky_memory", "memories.nowhere:LeakyMemory", "ModuleNotFoundError"),
    "attribute": ("leaky_memory", "memories.leaky_memory:Leaky", "AttributeError"),
    "no operator": ("leaky_memory", "memories.leaky_memory:Path", "is no subclass"),
    "other name": ("forgetful", "memories.leaky_memory:LeakyMemory", "must have `forgetful`"),
    "name of ours": ("tam", "memories.leaky_memory:LeakyMemory", "another operator has"),
}


@pytest.mark.parametrize("name", POINTS)
def test_a_broken_entry_point(name: str, tmp_path: Path) -> None:
    point, target, told = POINTS[name]
    install(tmp_path / "site", {point: target})
    write_spec(tmp_path, "leaky_memory" if point == "tam" else point)
    lines = [["check", "mine.yaml"], ["list", "ops"], ["schema", "model"], ["check", "tsn"]]
    *wrong, right = stspec(tmp_path, *lines, site=tmp_path / "site")
    for answer in wrong:
        assert answer.code == 2
        assert told in " ".join(answer.err.split())
        assert "broken-op" in answer.err
        assert "memories" in answer.err
        assert "Traceback" not in answer.err
    assert right.code == 0


def test_a_broken_operator_leaves_others_alone(tmp_path: Path) -> None:
    good = "memories.leaky_memory:LeakyMemory"
    install(tmp_path / "site", {"leaky_memory": good, "broken": "memories.nowhere:Op"})
    write_spec(tmp_path, "leaky_memory")
    (answer,) = stspec(tmp_path, ["check", "mine.yaml"], site=tmp_path / "site")
    assert answer.code == 0, answer.err


def test_helpers_of_one_name_that_differ(tmp_path: Path, capsys: Capture) -> None:
    """Only one of the two could be written, and the other's class would use it."""
    copy_files(tmp_path)
    for name in FILES:
        text = (tmp_path / name).read_text(encoding="utf-8")
        text = text.replace("LeakyMemory", "LossyMemory").replace("leaky_memory", "lossy_memory")
        text = text.replace("torch.tensor(0.5)", "torch.tensor(0.25)")
        (tmp_path / name.replace("leaky", "lossy")).write_text(text, encoding="utf-8")
    path = write_spec(tmp_path, BY_PATH)
    second = "    second: {insert: ./lossy_memory.py:LossyMemory, at: {role: stem}}\n"
    path.write_text(path.read_text(encoding="utf-8") + second, encoding="utf-8")
    err = " ".join(refused(capsys, "check", path).split())
    assert "two module templates define `decay_of`" in err
    (module,) = tmp_path.glob("lossy*module.py")
    text = module.read_text(encoding="utf-8").replace("decay_of", "loss_of")
    module.write_text(text, encoding="utf-8")
    assert main(["check", str(path)]) == 0
