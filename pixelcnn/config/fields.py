"""Fields of the config's dataclasses, and how plain data become them."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, TypeVar

from pixelcnn.system.errors import ConfigError

T = TypeVar("T")


def at_least(minimum: float, default: Any = dataclasses.MISSING, maximum: float = math.inf) -> Any:
    """A dataclass field whose number must lie in [minimum, maximum]."""
    return field(default=default, metadata={"minimum": minimum, "maximum": maximum})


def build(cls: type[T], value: Any, where: str) -> T:
    """Make a dataclass from plain data, refusing unknown keys and wrong types.

    `where` is the dotted path of the value in the config, for messages.

    Raises:
        ConfigError: naming the key, what it held and what was expected.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where or 'the config'}: expected keys and values, got {value!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    for key in value:
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            expected = ", ".join(fields) or "no key at all"
            raise ConfigError(f"{prefix}{key}: unknown key{hint} (expected: {expected})")
    hints = typing.get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for name, spec in fields.items():
        if name in value:
            arguments[name] = _convert(hints[name], value[name], f"{prefix}{name}")
            _check_range(arguments[name], spec.metadata, f"{prefix}{name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{prefix}{name}: missing; {cls.__name__} needs it")
    try:
        return cls(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from None


def _check_range(value: Any, metadata: Mapping[str, float], where: str) -> None:
    if value is None or "minimum" not in metadata:
        return
    low, high = metadata["minimum"], metadata["maximum"]
    if not low <= value <= high:
        bounds = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise ConfigError(f"{where}: must be {bounds}, got {value!r}")


def _convert(expected: Any, value: Any, where: str) -> Any:
    """`value` as the annotated type `expected`; numbers may come as strings (YAML's 1e-3 does)."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if expected is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        inner = next(a for a in arguments if a is not type(None))
        return _convert(inner, value, where)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: expected one of {', '.join(arguments)}; got {value!r}")
        return value
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected keys and values, got {value!r}")
        return {str(k): _convert(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        return tuple(_convert(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if isinstance(expected, type) and dataclasses.is_dataclass(expected):
        return value if isinstance(value, expected) else build(expected, value, where)
    return _convert_scalar(expected, value, where)


def _convert_scalar(expected: Any, value: Any, where: str) -> Any:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if expected is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if expected in (bool, str) and isinstance(value, expected):
        return value
    if expected in (int, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number) and (expected is float or number.is_integer()):
            return expected(number)
    raise ConfigError(f"{where}: expected {names[expected]}, got {value!r}")
