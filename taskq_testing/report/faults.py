"""The table of faults, for people, for programs and for the page about faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final

from taskq_testing.faults.kinds import FAMILIES, FAULTS
from taskq_testing.faults.table import Fault, Parameter

_INDENT: Final = " " * 6
_LEAST_COLUMNS: Final = 40


def as_text(columns: int = 100) -> str:
    """Grouped by family: the name with its values, and a sentence below it."""
    lines: list[str] = []
    for family, about in FAMILIES.items():
        lines.append(f"{family}: {about}")
        for fault in _of(family):
            given = " ".join(_shown(parameter) for parameter in fault.parameters)
            lines.append(f"  {fault.name}  {given}".rstrip())
            lines += wrap(
                fault.sentence,
                max(columns, _LEAST_COLUMNS),
                initial_indent=_INDENT,
                subsequent_indent=_INDENT,
            )
        lines.append("")
    lines.append(f"{len(FAULTS)} faults in {len(FAMILIES)} families")
    return "\n".join(lines)


def as_json() -> str:
    """A list of them, with kinds and defaults of their values."""
    return json.dumps([_record(fault) for fault in FAULTS.values()], indent=2)


def as_markdown() -> str:
    """A table for each family."""
    lines: list[str] = []
    for family, about in FAMILIES.items():
        lines += [
            f"### {family}: {about}",
            "",
            "| fault | values | what happens |",
            "|---|---|---|",
        ]
        for fault in _of(family):
            given = ", ".join(f"`{_shown(parameter)}`" for parameter in fault.parameters)
            lines.append(f"| `{fault.name}` | {given} | {fault.sentence} |")
        lines.append("")
    return "\n".join(lines)


def _of(family: str) -> Iterator[Fault]:
    return (fault for fault in FAULTS.values() if fault.family == family)


def _shown(parameter: Parameter) -> str:
    """``node``, ``for=5s``; without a default it has to be given."""
    if parameter.required:
        return parameter.name
    value = parameter.default
    if "duration" in parameter.kind:
        return f"{parameter.name}={value:g}s"
    return f"{parameter.name}={'(any)' if value == '' else value}"


def _record(fault: Fault) -> dict[str, Any]:
    values = [
        {"name": p.name, "kind": p.kind, "required": p.required}
        | ({} if p.required else {"default": p.default})
        for p in fault.parameters
    ]
    return {
        "name": fault.name, "family": fault.family, "sentence": fault.sentence, "values": values,
    }  # fmt: skip
