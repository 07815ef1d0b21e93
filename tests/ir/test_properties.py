"""Any rule over any backbone gives a sound graph or one that is refused; `not` is a complement."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.graph.model import leaves, walk
from stspec.ir.select import matches, sites_of
from stspec.network import Network
from stspec.ops.conv import Conv2d
from stspec.schema.models import Selector
from tests.fuzz.specs import inserted, to_conv3d, to_pool, to_two
from tests.ir.graphs import BACKBONES, assert_sound, made_by, on, plain

Plain = dict[str, Any]

ROLES = (
    *("stem", "classifier", "residual_start", "residual_end"),
    *("module_input", "module_output", "block_input", "block_output"),
    *(f"spatial_pool_{level}" for level in range(1, 6)),
)
SLOTS = (
    *("conv", "conv1", "conv2", "conv3", "downsample", "classifier"),
    *("branch1", "branch2.1", "branch4.0", "squeeze", "expand3x3"),
    *("expand", "depthwise", "project"),
)
KINDS = ("conv", "pool", "conv2d", "max_pool2d", "relu", "batch_norm", "linear")


def any_of(values: Any) -> st.SearchStrategy[Any]:
    """Draw one of some values, or a list of them."""
    value = st.sampled_from(values)
    return value | st.lists(value, min_size=1, max_size=3)


def selectors(*required: str) -> st.SearchStrategy[Plain]:
    """Draw a selector of one or two conditions, and those that are required."""
    every = {
        "role": any_of(ROLES),
        "slot": any_of(SLOTS),
        "op": any_of(KINDS),
        "kernel": any_of((1, 2, 3, 7)),
        "pointwise": st.booleans(),
        "depthwise": st.booleans(),
        "stages": any_of((1, 2, 3, 4, 5)),
        "blocks": any_of((0, 1, 2, 5))
        | st.fixed_dictionaries({"every": st.integers(1, 3)}, optional={"from": st.integers(0, 2)}),
    }
    names = st.sets(st.sampled_from(sorted(every)), min_size=1, max_size=2)
    return names.flatmap(
        lambda some: st.fixed_dictionaries({key: every[key] for key in {*required, *some}})
    )


def with_exclusion(selector: Plain, excluded: Plain | None) -> Plain:
    return selector if excluded is None else {**selector, "not": excluded}


excluding = st.builds(with_exclusion, selectors(), st.none() | selectors())
convolutions = st.builds(lambda s: {**s, "op": "conv"}, excluding)
places = st.builds(
    lambda s, point: s | point,
    st.one_of(selectors("role"), selectors("slot"), excluding),
    st.fixed_dictionaries({}, optional={"point": st.sampled_from(["input", "raw", "output"])}),
)


def rules(action: st.SearchStrategy[Plain], key: str, where: Any) -> st.SearchStrategy[Plain]:
    return st.builds(lambda a, s: {**a, key: s}, action, where)


converting = st.one_of(
    rules(st.one_of(to_conv3d, to_two), "where", convolutions),
    rules(to_pool, "where", excluding.filter(lambda s: "op" not in s)),
    rules(st.just({"to": "3d"}), "where", excluding),
)
inserting = rules(inserted, "at", places)


def loaded(backbone: str, policy: Plain) -> Network | None:
    """Return the network, or None where it is refused."""
    try:
        return on(backbone, policy)
    except SpecError as error:
        event(error.diagnostics[0].code)
        assert len(error.diagnostics) == 1
        assert "Traceback" not in str(error)
        return None


@settings(max_examples=120)
@given(st.sampled_from(BACKBONES), converting)
def test_any_conversion_is_sound_or_refused(backbone: str, rule: Plain) -> None:
    network = loaded(backbone, {"spatial": {"any": rule}})
    if network is not None:
        event("accepted")
        assert_sound(network.graph)
        before = dict(walk(plain(backbone).graph))
        assert before.keys() <= dict(walk(network.graph)).keys()
        assert made_by(network, "spatial.any")


@settings(max_examples=120)
@given(st.sampled_from(BACKBONES), inserting)
def test_any_insertion_is_sound_or_refused(backbone: str, rule: Plain) -> None:
    network = loaded(backbone, {"temporal": {"any": rule}})
    if network is not None:
        event("accepted")
        assert_sound(network.graph)
        before = {path: node.body for path, node in leaves(plain(backbone).graph)}
        after = {path: node.body for path, node in leaves(network.graph)}
        assert {path: after[path] for path in before} == before
        assert made_by(network, "temporal.any")


@settings(max_examples=150)
@given(st.sampled_from(BACKBONES), selectors())
def test_not_selects_all_the_others(backbone: str, chosen: Plain) -> None:
    inside, outside = Selector.model_validate(chosen), Selector.model_validate({"not": chosen})
    for site in sites_of(plain(backbone).graph, None):
        assert matches(inside, site) != matches(outside, site), site.path


def selected(backbone: str, where: Plain) -> set[str]:
    """Return the convolutions that a rule converts; none where it matches nothing."""
    rule = {"where": where, "to": "conv3d", "kernel_t": 3}
    network = loaded(backbone, {"spatial": {"any": rule}})
    return set() if network is None else set(made_by(network, "spatial.any"))


@settings(max_examples=50)
@given(st.sampled_from(BACKBONES), selectors().filter(lambda s: "op" not in s))
def test_a_rule_and_its_complement_share_out_the_convolutions(backbone: str, chosen: Plain) -> None:
    these = selected(backbone, {**chosen, "op": "conv"})
    others = selected(backbone, {"op": "conv", "not": chosen})
    convolutions = {p for p, n in leaves(plain(backbone).graph) if isinstance(n.body, Conv2d)}
    assert not these & others
    assert these | others == convolutions


@settings(max_examples=100)
@given(st.sampled_from(BACKBONES), selectors(), selectors())
def test_more_conditions_select_less(backbone: str, one: Plain, other: Plain) -> None:
    both = Selector.model_validate({**other, **one})
    alone = Selector.model_validate(one)
    less = Selector.model_validate({**one, "not": other})
    for site in sites_of(plain(backbone).graph, None):
        found = matches(alone, site)
        assert found or not (matches(both, site) or matches(less, site))
