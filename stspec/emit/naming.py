"""The class name of a model: the field's own spelling of its parts."""

from __future__ import annotations

import keyword
import re

from stspec.schema.spec import Spec


def class_name(spec: Spec) -> str:
    """Return a name such as TAMResNet50 for the spec tam_resnet50; always an identifier."""
    titles = [spec.policy.title, spec.backbone.title, spec.model.title]
    spelled = {
        re.sub(r"\W", "", title).lower(): re.sub(r"[^A-Za-z0-9]", "", title)
        for title in titles
        if title
    }
    parts = re.split(r"[^A-Za-z0-9]+", spec.name)
    name = "".join(spelled.get(part.lower(), part[:1].upper() + part[1:]) for part in parts)
    name = re.sub(r"[^A-Za-z0-9]", "", name.encode("ascii", "ignore").decode())[:80]
    name = name[:1].upper() + name[1:]
    if not name or name[0].isdigit() or keyword.iskeyword(name):
        name = f"Model{name}"
    return name
