"""A plan and what it refers to, written into a store: workers then need no file of the study's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from stspec.diagnostics import Diagnostic, SpecError
from stspec.output import write_bytes
from stspec.runs.log import GOOD, Writing
from stspec.study.data import make_data
from stspec.study.plan import DataSet, Plan


def freeze(plan: Plan, store: Path) -> Plan:
    """Write a plan, its specs and its recipes into a store; return it with its data in place.

    Data sets that are made, or lack classes, are made under `data/`. The plan itself is written
    last, so that one that can be read has all that it needs. What is there already is left.

    Args:
        plan: what is to be run.
        store: the store's folder; made where it is not there.

    Raises:
        SpecError: if it is not said where data lie, or the store cannot be written.
    """
    data: dict[str, DataSet] = {}
    errors: list[Diagnostic] = []
    for name, one in plan.data.items():
        try:
            data[name] = make_data(one, store / "data")
        except SpecError as error:
            errors += error.diagnostics
    if errors:
        raise SpecError(*errors)
    frozen = replace(plan, data=data)
    for folder, texts in (("specs", plan.specs), ("recipes", plan.recipes)):
        with _writing(store / folder):
            (store / folder).mkdir(parents=True, exist_ok=True)
            for digest, text in texts.items():
                path = store / folder / f"{digest}.yaml"
                if not path.is_file():
                    write_bytes(path, text.encode())
    path = store / "plans" / f"{plan.name}.json"
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(frozen.to_json(), ensure_ascii=False, indent=1) + "\n"
        write_bytes(path, text.encode())
    return frozen


def _writing(path: Path) -> Writing:
    return Writing(path, "--store", f"{GOOD} `stspec study run` goes on")
