"""Fields of dataclasses that describe runs, and reading those dataclasses back from plain data."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeVar

from pixelcnn.system.errors import ConfigError

T = TypeVar("T")


def at_least(
    minimum: float,
    default: Any = dataclasses.MISSING,
    maximum: float = math.inf,
    *,
    absent: Any = dataclasses.MISSING,
) -> Any:
    """A dataclass field whose number must lie in [minimum, maximum]; `absent` as in `added`."""
    bounds = {"minimum": minimum, "maximum": maximum}
    return field(default=default, metadata=bounds | _absent(absent))


def added(default: Any, *, absent: Any) -> Any:
    """A field that came later than the runs that were described without it.

    `absent` is what those runs did: they are read as if it stood there, and where it does stand there the
    digest of a run is the same as without the key. The default for new runs may be another.
    """
    return field(default=default, metadata=_absent(absent))


def part_of(cls: type[Any]) -> Any:
    """A field that holds some of the keys of a dataclass, checked as there: dict of key to value."""
    return field(default_factory=dict, metadata={"part_of": cls})


def internal(default: Any) -> Any:
    """A field that no user writes."""
    return field(default=default, metadata={"internal": True})


def _absent(value: Any) -> dict[str, Any]:
    return {} if value is dataclasses.MISSING else {"absent": value}


def without_absent(value: Any) -> dict[str, Any]:
    """Plain data of a dataclass, but for the keys whose value is that of their absence."""
    plain = dataclasses.asdict(value)
    fields = {f.name: f.metadata for f in dataclasses.fields(value) if f.init}
    return {
        k: plain[k] for k, about in fields.items() if "absent" not in about or about["absent"] != plain[k]
    }


def from_plain(cls: type[T], value: Any, where: str = "") -> T:
    """The dataclass of which `value` is the plain data, as `dataclasses.asdict` and JSON give them.

    Nothing is converted but lists to tuples, and no default of today enters: a key that is missing was
    either added since (see `added`), or the data are those of another version.

    Raises:
        ConfigError: if a key is unknown or missing.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where or cls.__name__}: expected keys and values, got {value!r}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    for key in value:
        if key not in fields:
            raise ConfigError(f"{prefix}{key}: unknown key, written by another version of pixelcnn")
    arguments: dict[str, Any] = {}
    for name, spec in fields.items():
        if name in value:
            arguments[name] = _restored(hints[name], value[name], f"{prefix}{name}")
        elif "absent" in spec.metadata:
            arguments[name] = spec.metadata["absent"]
        elif "internal" not in spec.metadata:
            raise ConfigError(f"{prefix}{name}: missing, written by another version of pixelcnn")
    try:
        return cls(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from None


def _restored(expected: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (types.UnionType, typing.Union) and type(None) in arguments:
        kinds = [argument for argument in arguments if argument is not type(None)]
        several = isinstance(value, (list, tuple))  # of a number or a list of some, what stands there
        inner = next((kind for kind in kinds if (typing.get_origin(kind) is tuple) == several), kinds[0])
        return None if value is None else _restored(inner, value, where)
    if dataclasses.is_dataclass(expected):
        return from_plain(expected, value, where)  # type: ignore[arg-type]
    if origin in (tuple, list) and isinstance(value, (list, tuple)):
        return origin(_restored(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {key: _restored(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    kind = (float, int) if expected is float else origin or expected
    if kind in (int, str, bool, tuple, list, dict, (float, int)) and (
        not isinstance(value, kind) or (isinstance(value, bool) and expected is not bool)
    ):
        raise ConfigError(f"{where}: expected {getattr(expected, '__name__', expected)}, got {value!r}")
    return value
