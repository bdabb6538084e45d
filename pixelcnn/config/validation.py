"""What users write, checked and converted by pydantic into the dataclasses of this package.

Each dataclass gives a pydantic model, by which its data are read and its JSON Schema is made. A number may
come as text, as YAML's 1e-3 and Snakemake's --config do; true and false are no numbers.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import math
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from pixelcnn.system.errors import ConfigError

T = TypeVar("T")

#: Larger whole numbers do not fit where they go, and are slips of the pen.
LARGEST = 2**63 - 1

#: What pydantic's kinds of errors say was expected, by how they begin.
EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a number",
    "bool": "true or false",
    "string": "text",
    "model": "keys and values",
    "dict": "keys and values",
    "tuple": "a list",
    "list": "a list",
}


#: How pydantic tells one value from a list of some, where either may stand.
ONE, SOME = "<one>", "<some>"


class _Model(BaseModel):
    """Stands for one of our dataclasses. Its fields have numbers for names, lest one hides a method here."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
    source: ClassVar[type[Any]]


def validated(cls: type[T], value: Any, where: str = "") -> T:
    """A dataclass from what a user wrote; `where` is the dotted path of the value in the config.

    Raises:
        ConfigError: naming the key, what it held and what was expected.
    """
    try:
        model = model_of(cls).model_validate(value)  # type: ignore[arg-type]  # classes are hashable
    except ValidationError as error:
        raise ConfigError(_message(cls, error.errors(include_url=False), where)) from None
    built: T = _built(model, where)
    return built


def _built(value: Any, where: str) -> Any:
    """Our dataclasses in the place of their models; what is not given is left to the dataclass."""
    if isinstance(value, dict):
        return {key: _built(item, _join(where, key)) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_built(item, _join(where, i)) for i, item in enumerate(value))
    if not isinstance(value, _Model):
        return value
    # In the order of the fields: that of `model_fields_set` is another in every process.
    names = {field: str(info.alias) for field, info in type(value).model_fields.items()}
    given = {n: getattr(value, field) for field, n in names.items() if field in value.model_fields_set}
    arguments = {name: _built(item, _join(where, name)) for name, item in given.items()}
    if value.source is dict:  # keys of another dataclass are kept as plain data
        return {name: _plain(item) for name, item in arguments.items()}
    try:
        return value.source(**arguments)
    except ConfigError as error:
        raise ConfigError(_join(where, str(error))) from None


def _plain(value: Any) -> Any:
    is_ours = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return dataclasses.asdict(value) if is_ours else value


def _join(where: str, part: object) -> str:
    if isinstance(part, int):
        return f"{where}[{part}]"
    return f"{where}.{part}" if where else str(part)


@functools.cache
def model_of(cls: Any, source: Any = None) -> type[_Model]:
    """The model by which data of a dataclass are read, to become what `source` makes of the keys given."""
    hints = typing.get_type_hints(cls)
    said = _descriptions(cls)
    fields: dict[str, Any] = {}
    for number, spec in enumerate(dataclasses.fields(cls)):
        if "internal" in spec.metadata or not spec.init:
            continue
        low, high = spec.metadata.get("minimum", -math.inf), spec.metadata.get("maximum", math.inf)
        bounds = {k: v for k, v in (("minimum", low), ("maximum", high)) if math.isfinite(v)}
        default: dict[str, Any] = {"default": ...}
        if spec.default is not dataclasses.MISSING:
            default = {"default": spec.default}
        elif spec.default_factory is not dataclasses.MISSING:
            default = {"default_factory": spec.default_factory}
        # A part of another dataclass stays the keys that were given.
        part = spec.metadata.get("part_of")
        fields[f"f{number}"] = (
            model_of(part, dict) if part else _read_as(hints[spec.name], low, high),
            Field(
                alias=spec.name, description=said.get(spec.name), json_schema_extra=bounds or None, **default
            ),
        )
    model = create_model(cls.__name__, __base__=_Model, __doc__=inspect.getdoc(cls), **fields)
    model.source = source or cls
    return model


def _descriptions(cls: type[Any]) -> dict[str, str]:
    """The texts that stand below the fields of a dataclass."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError):  # made without a file
        return {}
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
        ):
            found[field.target.id] = inspect.cleandoc(ast.literal_eval(text.value))
    return found


def _read_as(annotation: Any, low: float = -math.inf, high: float = math.inf) -> Any:
    """The annotated type as pydantic is to read it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if dataclasses.is_dataclass(annotation):
        return model_of(annotation)  # type: ignore[arg-type]
    if annotation in (int, float):
        before = BeforeValidator(_whole if annotation is int else _number)
        return Annotated[annotation, before, AfterValidator(_within(low, high))]
    if annotation is bool:
        return Annotated[bool, BeforeValidator(_flag)]
    if origin in (types.UnionType, typing.Union) and type(None) in arguments:
        kinds = [a for a in arguments if a is not type(None)]
        inner = _read_as(kinds[0], low, high)
        if len(kinds) > 1:  # one or a list of some: an error is on that which stands there
            one, some = Annotated[inner, Tag(ONE)], Annotated[_read_as(kinds[1], low, high), Tag(SOME)]
            inner = Annotated[one | some, Discriminator(_one_or_some)]
        return Annotated[inner | None, BeforeValidator(_none)]
    if origin in (tuple, list, dict):
        return origin[tuple(a if a is ... else _read_as(a, low, high) for a in arguments)]
    return annotation


def _one_or_some(value: Any) -> str:
    return SOME if isinstance(value, (list, tuple)) else ONE


def _whole(value: Any) -> Any:
    """Text that stands for a whole number as one, digit for digit."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "no number")
    if isinstance(value, str):
        try:
            number = Decimal(value)
            if number.is_finite() and number.adjusted() > 20:  # spelling it out might take for ever
                return 10**20 * (1 if number > 0 else -1)
            return int(number) if number == number.to_integral_value() else value
        except (InvalidOperation, ValueError, OverflowError):
            return value
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("float_type", "no number")
    return value


def _flag(value: Any) -> Any:
    words = {"true": True, "false": False}
    found = words.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise PydanticCustomError("bool_type", "neither true nor false")
    return found


def _none(value: Any) -> Any:
    return None if isinstance(value, str) and value.lower() in ("none", "null") else value


def _within(low: float, high: float) -> Callable[[float], float]:
    def check(number: float) -> float:
        if isinstance(number, float) and not math.isfinite(number):
            raise PydanticCustomError("finite_number", "not finite")
        if isinstance(number, int) and abs(number) > LARGEST:
            raise PydanticCustomError("range", f"must be at most {LARGEST}")
        if not low <= number <= high:
            words = f"at least {low:g}" if number < low else f"between {low:g} and {high:.12g}"
            raise PydanticCustomError("range", "must be {words}", {"words": words})
        return number

    return check


def _message(cls: type[Any], errors: Sequence[ErrorDetails], where: str) -> str:
    """One sentence on the first error; an unknown key may be why another is missing."""
    unknown = [error for error in errors if error["type"] == "extra_forbidden"]
    error = (unknown or list(errors))[0]
    place = where
    for part in error["loc"]:
        place = place if part in (ONE, SOME) else _join(place, part)
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        keys = _keys_at(cls, error["loc"][:-1])
        close = difflib.get_close_matches(str(error["loc"][-1]), keys, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{place}: unknown key{hint} (expected: {', '.join(keys) or 'no key at all'})"
    if kind == "missing":
        return f"{place}: missing"
    if kind == "range":
        return f"{place}: {error['msg']}, got {value!r}"
    if kind == "literal_error":
        expected = str(error["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
        several = "one of " if "," in expected else ""
        return f"{place}: expected {several}{expected}; got {value!r}"
    words = next((text for start, text in EXPECTED.items() if kind.startswith(start)), error["msg"])
    if kind.startswith("model"):
        words += "".join(f" such as {key}: ..." for key in _keys_at(cls, error["loc"])[:1])
    return f"{place or 'the config'}: expected {words}, got {value!r}"


def _keys_at(cls: type[Any], loc: Sequence[int | str]) -> list[str]:
    """The keys that may stand at a place."""
    annotation: Any = cls
    for part in loc:
        if dataclasses.is_dataclass(annotation):
            spec = next(f for f in dataclasses.fields(annotation) if f.name == part)
            annotation = spec.metadata.get("part_of") or typing.get_type_hints(annotation)[spec.name]
            inner = [one for one in typing.get_args(annotation) if one is not type(None)]
            annotation = inner[0] if type(None) in typing.get_args(annotation) else annotation
        else:  # of a table or a list
            annotation = typing.get_args(annotation)[1 if isinstance(part, str) else 0]
    return [f.name for f in dataclasses.fields(annotation) if "internal" not in f.metadata and f.init]


def json_schema(cls: type[Any], title: str) -> dict[str, Any]:
    """The JSON Schema by which an editor completes and checks what `validated` reads."""
    schema = model_of(cls).model_json_schema(by_alias=True)  # type: ignore[arg-type]  # classes are hashable
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    found: dict[str, Any] = _without_titles(schema)
    return dialect | {key: value for key, value in found.items() if key != "title"}


def _without_titles(value: Any) -> Any:
    """Pydantic's titles are the numbers of our fields."""
    if isinstance(value, list):
        return [_without_titles(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {k: _without_titles(v) for k, v in value.items() if k != "title" or not isinstance(v, str)}
