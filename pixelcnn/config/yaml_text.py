"""YAML as configs are to be written: each key once, and names that every reader takes for text.

What the package writes names the schema in its first line, as do the configs that come with it.
"""

from __future__ import annotations

import math
import os
import re
import textwrap
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pixelcnn.system.code_digest import PACKAGE
from pixelcnn.system.errors import ConfigError

#: By which editors complete and check a config; not there where the package alone is installed.
SCHEMA = PACKAGE.parent / "workflow/schemas/benchmark.schema.json"
#: Characters of a line that is written.
WIDTH = 100
#: Plain text that YAML 1.1 or 1.2 takes for a number: 1e3 is text in the one and a thousand in the other.
NUMBER = re.compile(r"[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d+)(e[-+]?\d+)?|0o[0-7]+", re.IGNORECASE)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which by itself takes the last of equal keys, and `on` for true."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping whose keys are text, each once; keys merged in by << give way to others."""
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"line {line}: a name must be text, not a list or a table")
            if key.tag != "tag:yaml.org,2002:str" or (key.style is None and NUMBER.fullmatch(key.value)):
                raise ConfigError(
                    f'line {line}: the name {key.value} is no text in YAML; quote it: "{key.value}"'
                )
            if key.value in seen:
                raise ConfigError(f"line {line}: the key {key.value!r} stands twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse(text: str, where: str) -> Any:
    """The data of a YAML text.

    Raises:
        ConfigError: naming `where` and the line.
    """
    try:
        return yaml.load(text, _Loader)  # a safe loader
    except ConfigError as error:
        raise ConfigError(f"{where}, {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as a day that no month has
        raise ConfigError(f"{where}: not valid YAML: {error}") from error


class OneLine(dict[str, Any]):
    """A table that is written in a line of its own, however long that is."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which has no such tables."""


_Dumper.add_representer(
    OneLine, lambda dumper, line: dumper.represent_mapping(dumper.DEFAULT_MAPPING_TAG, line, flow_style=True)
)


def written(
    value: Mapping[str, Any], said: Iterable[str], target: Path, lines: Mapping[str, Any] | None = None
) -> str:
    """The YAML of a config that will lie at `target`, with paragraphs above it that say where it is from.

    `lines` are sections for the end, whose innermost lists and tables take a line each.
    """
    head = []
    if SCHEMA.exists():
        schema = Path(os.path.relpath(SCHEMA, target.resolve().parent)).as_posix()
        head.append(f"# yaml-language-server: $schema={schema}")
    for paragraph in said:
        head += [f"# {line}" for line in textwrap.wrap(paragraph, WIDTH)]
    body = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=WIDTH)
    if lines:
        body += yaml.dump(
            dict(lines),
            Dumper=_Dumper,
            default_flow_style=None,
            sort_keys=False,
            allow_unicode=True,
            width=math.inf,
        )
    return "\n".join([*head, body])
