"""Files of plain keys, such as recipes and studies: found by name, merged along `extends`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stspec.compose.locate import data_root, is_path
from stspec.compose.merge import merge
from stspec.compose.version import check_version
from stspec.diagnostics import Diagnostic, Label, Span, SpecError, did_you_mean, display_path
from stspec.source import Mapping, Scalar, read_file


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where files of one kind are kept, and what one and several of them are called."""

    one: str
    several: str

    @property
    def folder(self) -> Path:
        """Return the folder of the shipped ones."""
        return data_root() / "specs" / self.several

    def names(self) -> list[str]:
        """Return the names of the shipped ones."""
        return sorted(path.stem for path in self.folder.glob("*.yaml"))

    def find(self, name: str, folder: Path, span: Span | None) -> Path:
        """Return the file of a name, or of a path that starts from a folder.

        Args:
            name: a shipped one's name; or a path, which ends in `.yaml` or begins with `./`.
            folder: where paths start.
            span: where it is named, if that is in a file.

        Raises:
            SpecError: with the nearest name, if there is none.
        """
        labels = (Label(span, f"no {self.one} has this name"),) if span else ()
        code = f"unknown-{self.one}"
        if is_path(name):
            path = folder / name
            if path.is_file():
                return path
            siblings = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
            help = did_you_mean(path.name, sorted(siblings)) or None
            raise SpecError(
                Diagnostic(code, f"there is no file `{display_path(path)}`", labels, help)
            )
        if name in self.names():
            return self.folder / f"{name}.yaml"
        message = f"there is no {self.one} named `{name}`"
        raise SpecError(Diagnostic(code, message, labels, did_you_mean(name, self.names()) or None))

    def read(self, path: Path, chain: tuple[Path, ...] = ()) -> Mapping:
        """Return a file's tree over its parents', without `extends` and `name`.

        Args:
            path: the file.
            chain: files that led here.

        Raises:
            SpecError: if one of them cannot be read, or they extend one another.
        """
        tree = read_file(path, origin=(display_path(path),))
        if problem := check_version(tree):
            raise SpecError(problem)
        parent = tree.get("extends")
        tree = tree.without("extends", "name")
        if parent is None:
            return tree
        if not isinstance(parent, Scalar) or not isinstance(parent.value, str):
            label = Label(parent.span, "expected a name or a path")
            message = f"`extends` names one {self.one}"
            raise SpecError(Diagnostic("wrong-type", message, (label,)))
        found = self.find(parent.value, path.parent, parent.span)
        if found.resolve() in (*chain, path.resolve()):
            label = Label(parent.span, "leads back here")
            message = f"{self.several} extend one another"
            raise SpecError(Diagnostic("circular-extends", message, (label,)))
        above = self.read(found, (*chain, path.resolve())).without("about")
        return merge(above, tree)
