"""The configuration as text: a JSON schema, and YAML with the meaning of every option beside it."""

import json
from pathlib import Path
from typing import Any

import yaml

from thedit.config import Config, Section
from thedit.files import atomic


def schema(section: type[Section]) -> str:
    """The JSON schema of a section; unknown keys are forbidden on every level."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **section.model_json_schema()}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def commented(config: Config) -> str:
    """Every option of ``config`` as YAML, its description as a comment beside it."""
    return "\n".join([f"# {config.__doc__}", *_lines(config, "")]) + "\n"


def write(config: Config, path: str | Path) -> None:
    """Write the complete, commented configuration of a run to ``path``."""
    with atomic(path) as sibling:
        sibling.write_text(commented(config))


def _lines(section: Section, indent: str) -> list[str]:
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            lines += ["", f"{indent}{name}:  # {value.__doc__}", *_lines(value, indent + "  "), ""]
        else:
            lines.append(f"{indent}{name}: {_flow(value)}  # {field.description}")
    return [line for line, following in zip(lines, [*lines[1:], ""]) if line or following]  # no two empty lines


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("...\n").strip()
