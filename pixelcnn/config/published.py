"""What an entry of docs/published.yaml is: a number that others published, and the protocol it stands for.

Plain dataclasses, of which `pixelcnn schema published` makes the JSON Schema by which editors check the file.
It is read by plain code, since a report needs it and no pydantic. No key has a default: what a source does
not say is `unknown`, in words.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pixelcnn.system.errors import ConfigError

T = TypeVar("T")

Unknown = Literal["unknown"]
UNKNOWN: Unknown = "unknown"

Data = Literal[
    "mnist", "fashion_mnist", "kmnist", "cifar10", "svhn", "celeba", "imagenet32", "imagenet32_2016"
]  # fmt: skip
Unit = Literal["nats", "bits/dim"]

#: Of each data set.
CHANNELS = {"mnist": 1, "fashion_mnist": 1, "kmnist": 1}
COLOUR = 3
#: Less than so many bits/dim is no result of images, but a slip in the unit.
FEWEST_BITS = 0.01
#: Of what these data sets have.
MOST_LEVELS = 256


@dataclass(frozen=True)
class ProtocolSpec:
    """What was measured: on what, and as what. It decides what a number compares with."""

    data: Data
    """As in the sources of configs; imagenet32_2016 is the downsampling of van den Oord et al. 2016,
    imagenet32 that of Chrabaszcz et al. 2017."""
    image_size: int | Unknown
    """Pixels of a side."""
    levels: int | Unknown
    """Of each channel of a pixel."""
    binarization: Literal["none", "static", "dynamic", "threshold", "unknown"]
    """Static: the files of Larochelle and Murray 2011. Dynamic: pixels drawn by their intensity, for the test
    set, too. None: not binary."""
    split: Literal["test", "validation", "own", "unknown"]
    """The images it was measured on: those published as test or validation split, or a split of one's own."""
    models: Literal["one", "mixture", "unknown"]
    """One distribution, or the mean of several, such as those of several seeds or orders."""
    augmentation: Literal["none", "flip", "other", "unknown"]
    """How training images were changed at random, besides dynamic binarization."""
    likelihood: Literal["exact", "bound", "estimate", "unknown"]
    """Whether it is -log p(x) itself, an upper bound of it, or an estimate by sampling."""
    order: Literal["raster", "other", "none", "unknown"]
    """In which order pixels follow each other; none: of a model that has no order."""

    def __post_init__(self) -> None:
        for key, least in (("image_size", 1), ("levels", 2)):
            number = getattr(self, key)
            if number != UNKNOWN and (isinstance(number, bool) or number < least):
                raise ConfigError(
                    f"{key}: expected a whole number from {least} on or unknown, got {number!r}"
                )

    @property
    def dims(self) -> int | None:
        """Numbers of an image, if its size is known."""
        return None if self.image_size == UNKNOWN else self.image_size**2 * CHANNELS.get(self.data, COLOUR)


@dataclass(frozen=True)
class SourceSpec:
    """Where a number was published."""

    work: str
    """Authors, a comma, and title; or what the repository is called."""
    year: int | Unknown
    """In which it came out."""
    where: str
    """The table, section or file in it, or unknown."""
    url: str
    """Of the work."""
    read: str
    """The text in which whoever entered the number read it: the work's own, or one that quotes it."""

    @property
    def cited(self) -> str:
        """The work in short: its authors, or what it is called, and the year."""
        year = "" if self.year == UNKNOWN else f" {self.year}"
        return self.work.partition(",")[0] + year


@dataclass(frozen=True)
class PublishedSpec:
    """One number."""

    model: str
    """What the work calls the model."""
    value: float
    """On the images of the protocol, lower is better."""
    unit: Unit
    """Nats per image, or bits per dimension."""
    protocol: ProtocolSpec
    """What it compares with."""
    parameters: int | Unknown
    """Trainable numbers of the model."""
    budget: str
    """How long it was trained, in the source's words, or unknown."""
    source: SourceSpec
    """Where it was published, and where it was read."""

    def __post_init__(self) -> None:
        for key, number in (("parameters", self.parameters), ("source.year", self.source.year)):
            if number != UNKNOWN and (isinstance(number, bool) or number < 1):
                raise ConfigError(f"{key}: expected a whole number above 0 or unknown, got {number!r}")
        if not self.source.url.startswith(("https://", "http://")):
            raise ConfigError(
                f"source.url: expected an address that begins with https://, got {self.source.url!r}"
            )
        self._check_value()

    def _check_value(self) -> None:
        """Refuse what only a slip of the pen or another unit can be."""
        bits, levels = self.in_unit("bits/dim"), self.protocol.levels
        most = math.log2(MOST_LEVELS if levels == UNKNOWN else levels)
        if bits is None or FEWEST_BITS <= bits <= most:
            return
        guess = f"more than the {most:g} bits/dim of a uniform guess over the levels"
        raise ConfigError(
            f"value: {self.value:g} {self.unit} looks wrong, being "
            f"{guess if bits > most else 'next to nothing'}; nats are per image, bits per dimension"
        )

    def in_unit(self, unit: Unit) -> float | None:
        """The value in another unit; None where it takes the size of images and that is unknown."""
        if unit == self.unit:
            return self.value
        dims = self.protocol.dims
        if dims is None:
            return None
        return self.value * dims * math.log(2) if unit == "nats" else self.value / (dims * math.log(2))


@dataclass(frozen=True)
class PublishedFile:
    """Numbers that others published, each with its protocol and its source."""

    published: list[PublishedSpec]


def published_from(value: Any, where: str) -> list[PublishedSpec]:
    """The entries of a file that was parsed already; `where` names it.

    Raises:
        ConfigError: naming the key, what it held and what was expected.
    """
    try:
        return _made(PublishedFile, value, "").published
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _made(cls: type[T], value: Any, where: str) -> T:
    if not isinstance(value, dict):
        raise ConfigError(f"{where or 'the file'}: expected keys and values, got {value!r}")
    dot = f"{where}." if where else ""
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in value:
        if key not in names:
            raise ConfigError(f"{dot}{key}: unknown key (expected: {', '.join(names)})")
    for name in names:
        if name not in value:
            raise ConfigError(f"{dot}{name}: missing; what a source does not say is unknown, in words")
    hints = typing.get_type_hints(cls)
    arguments = {name: _checked(hints[name], value[name], f"{dot}{name}") for name in names}
    try:
        return cls(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{dot}{error}") from None


def _checked(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _made(hint, value, where)  # type: ignore[arg-type]
    if origin is list and isinstance(value, list):
        return [_checked(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if not _is_one(hint, value):
        raise ConfigError(f"{where}: expected {_expected(hint)}; got {value!r}")
    return float(value) if hint is float else value


def _is_one(hint: Any, value: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_is_one(each, value) for each in arguments)
    if origin is Literal:
        return value in arguments
    if hint is str:
        return isinstance(value, str) and bool(value.strip())
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
    return hint is int and type(value) is int


def _expected(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(_expected, arguments))
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(arguments)
    return {int: "a whole number", float: "a number above 0", str: "text"}.get(hint, "a list")
