"""From a config file, or from data that were parsed already, to a checked `Benchmark`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.fields import from_plain
from pixelcnn.config.run_spec import FORMAT, DatasetSpec
from pixelcnn.system.errors import ConfigError

OTHER_VERSION = (
    "written by another version of pixelcnn, which results cannot be taken over from; "
    "`pixelcnn plan` with the benchmark's own config writes it again, and its runs are trained again"
)


def load_benchmark(path: str | Path) -> Benchmark:
    """Read and check a benchmark description: YAML, JSON, or the resolved config.json.

    Raises:
        ConfigError: if the file is missing, cannot be parsed, or says what cannot be run.
    """
    return benchmark_from(_parsed(Path(_expanded(str(path)))), str(path))


def read_written(path: Path) -> dict[str, Any]:
    """What a user wrote in a config file, parsed and not yet checked.

    Raises:
        ConfigError: if the file cannot be read, or is one that `plan` resolved.
    """
    value = _parsed(path)
    if not isinstance(value, dict) or "format" in value:
        raise ConfigError(f"{path}: expected a config as it was written, not one that `plan` resolved")
    return value


def _parsed(path: Path) -> Any:
    text = read_text(path)
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ConfigError(f"{path}: not valid JSON: {error}") from error
    from pixelcnn.config.yaml_text import parse  # only here: a bare GPU machine has the resolved JSON

    return parse(text, str(path))


def load_planned(path: Path) -> Benchmark:
    """The resolved benchmark that `plan` wrote, by which results are read.

    Raises:
        ConfigError: if it cannot be read, or another version of pixelcnn wrote it.
    """
    benchmark = load_benchmark(path)
    if not benchmark.resolved:
        raise ConfigError(f"{path}: {OTHER_VERSION}")
    return benchmark


def check_text(path: Path) -> None:
    """Refuse what is lost once a YAML file is parsed by others: keys that stand twice, names that are no
    text.

    Raises:
        ConfigError: naming the file and the line.
    """
    if path.suffix != ".json":
        from pixelcnn.config.yaml_text import parse

        parse(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a config file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the config: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8: {error}") from error


def benchmark_from(value: Any, where: str = "config") -> Benchmark:
    """Check a benchmark description that was parsed already.

    Raises:
        ConfigError: naming `where`, the key, what it held and what was expected.
    """
    try:
        if isinstance(value, Mapping) and "format" in value:
            return _resolved(value)
        return _written(value)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except RecursionError:
        raise ConfigError(
            f"{where}: not valid YAML or JSON for a config: a table that holds itself"
        ) from None


def _resolved(value: Mapping[str, Any]) -> Benchmark:
    """What `plan` wrote needs no pydantic, and takes no default of today."""
    if value["format"] != FORMAT:
        raise ConfigError(f"format {value['format']}, expected {FORMAT}: {OTHER_VERSION}")
    content = {key: item for key, item in value.items() if key != "format"}
    return replace(from_plain(Benchmark, content), resolved=True)


def _written(value: Any) -> Benchmark:
    """What a user wrote. A path that begins with ~ is meant from the home folder, whoever reads it later."""
    from pixelcnn.config.validation import validated

    check_names(value)
    benchmark = validated(Benchmark, value).chosen()
    return replace(
        benchmark,
        data_root=_expanded(benchmark.data_root),
        results=_expanded(benchmark.results),
        datasets={k: _at_home(v) for k, v in benchmark.datasets.items()},
        variants={k: replace(v, model=_expanded(v.model)) for k, v in benchmark.variants.items()},
    )


def _at_home(spec: DatasetSpec) -> DatasetSpec:
    path = None if spec.path is None else _expanded(spec.path)
    return replace(spec, source=_expanded(spec.source), path=path)


def _expanded(path: str) -> str:
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError as error:  # nobody of that name, or no home
        raise ConfigError(f"{path}: {error}") from None


def check_names(value: Any, where: str = "") -> None:
    """Refuse keys that YAML did not take for text, such as on, null and 010.

    Raises:
        ConfigError: naming the key as it was read, and how to write it.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                place = f"{where}: " if where else ""
                raise ConfigError(f"{place}the name {key!r} is no text; quote it where it is written")
            check_names(item, f"{where}.{key}" if where else key)
