"""`stspec doctor`: what this machine has, and what to install."""

from __future__ import annotations

import textwrap

import typer

from stspec.cli.screen import paint, width, write


def doctor() -> None:
    """Look at torch, decoders, CUDA and memory; say what to install.

    Known faults of 3D convolutions in torch and cuDNN are told.

    Exit status: 0 all is well, 1 something will fail.
    """
    from stspec.doctor import examine

    ink, findings = paint(), examine()
    colours = {"ok": "green", "note": "yellow", "fault": "red"}
    room = max(len(finding.name) for finding in findings)
    for finding in findings:
        head = f"{ink(f'{finding.status:<5}', colours[finding.status])}  {finding.name:<{room}}  "
        indent = " " * (room + 9)
        text = textwrap.fill(finding.text, width() - len(indent), break_long_words=False)
        write(head + text.replace("\n", f"\n{indent}"))
        if finding.help:
            write(textwrap.fill(finding.help, width(), initial_indent=f"{indent}> ",
                                subsequent_indent=f"{indent}  "))  # fmt: skip
    if any(finding.status == "fault" for finding in findings):
        raise typer.Exit(1)
