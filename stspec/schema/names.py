"""Names that become attributes of modules: layers, rules, heads."""

from __future__ import annotations

import keyword
from collections.abc import Iterable

from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean, nearest
from stspec.source.nodes import Mapping, Scalar

_TAKEN = """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules
    named_parameters parameters register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu
    zero_grad
"""
MODULE_ATTRIBUTES = frozenset(_TAKEN.split())
"""What nn.Module has already, in the newest torch."""

LONGEST = 64


def check_name(name: Scalar) -> None:
    """Refuse a name that cannot be an attribute of a module.

    Raises:
        SpecError: saying what a name may be.
    """
    text = str(name.value)
    reason = None
    if not (text.isascii() and text.isidentifier()) or text.startswith("_"):
        reason = "names become attributes in Python"
    elif len(text) > LONGEST:
        reason = f"names have at most {LONGEST} characters"
    elif keyword.iskeyword(text):
        reason = "a word of the Python language"
    elif text in MODULE_ATTRIBUTES:
        reason = "every nn.Module has an attribute of this name"
    if reason is not None:
        raise SpecError(
            Diagnostic(
                "bad-name",
                f"`{text:.60}` cannot be a name",
                (Label(name.span, reason),),
                help="use letters, digits and underscores, a letter first",
            )
        )


def check_known(
    kind: str, name: Scalar, node: Mapping, makes: Iterable[str], others: Iterable[Scalar]
) -> None:
    """Refuse a change to a rule or a layer that is not there.

    Args:
        kind: what it is: a rule, a layer.
        name: its name.
        node: what is said of it.
        makes: the keys, of which it has one where it is more than a change.
        others: the names beside it.

    Raises:
        SpecError: with the nearest of them.
    """
    if any(key in node for key in makes):
        return
    known = {str(other.value): other.span.file for other in others if other is not name}
    # A change is known by its nearest name, or by coming from elsewhere than all else.
    if nearest(str(name.value), known) or (known and name.span.file not in known.values()):
        raise SpecError(
            Diagnostic(
                f"unknown-{kind}",
                f"there is no {kind} `{name.value}` to change",
                (Label(name.span, f"no {kind} has this name"),),
                help=did_you_mean(str(name.value), known),
            )
        )
