"""Calls as text, broken over lines the way Black and Ruff break them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

WIDTH = 100
INDENT = "    "


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose arguments are texts or calls; ``loop`` repeats it by a comprehension."""

    name: str
    args: Sequence[Call | str]
    prefix: str = ""
    suffix: str = ""
    explode: bool = False
    """Whether every argument gets its own line however short they are."""
    loop: str = ""

    def flat(self) -> str:
        """Return the call on one line."""
        inner = ", ".join(arg if isinstance(arg, str) else arg.flat() for arg in self.args)
        one = f"{self.prefix}{self.name}({inner}){self.suffix}"
        return f"*({one} for {self.loop})" if self.loop else one

    @property
    def must_break(self) -> bool:
        """Tell whether the call or one of its arguments is exploded."""
        return self.explode or any(isinstance(a, Call) and a.must_break for a in self.args)


def layout(head: str, call: Call | str, indent: int, tail: str = "") -> list[str]:
    """Return ``head`` followed by a call as lines of at most WIDTH characters."""
    pad = INDENT * indent
    if isinstance(call, str):
        return [f"{pad}{head}{call}{tail}"]
    flat = f"{pad}{head}{call.flat()}{tail}"
    if not call.must_break and len(flat) <= WIDTH:
        return [flat]
    if call.loop:
        one = layout("", replace(call, loop=""), indent + 1)
        return [f"{pad}{head}*(", *one, f"{pad}{INDENT}for {call.loop}", f"{pad}){tail}"]
    opening, closing = f"{pad}{head}{call.prefix}{call.name}(", f"{pad}){call.suffix}{tail}"
    inner = INDENT * (indent + 1)
    joined = inner + ", ".join(a if isinstance(a, str) else a.flat() for a in call.args)
    if not call.must_break and len(joined) <= WIDTH:
        return [opening, joined, closing]
    lines = [opening]
    for arg in call.args:
        lines.extend(layout("", arg, indent + 1, ","))
    return [*lines, closing]
