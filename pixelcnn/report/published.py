"""Which published numbers compare with those of a dataset, and why the nearest others do not.

What a dataset of a benchmark measures is derived here from its description and recipe alone, as a protocol of
the same keys as those of docs/published.yaml.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pixelcnn.config.published import UNKNOWN, Data, ProtocolSpec, PublishedSpec, Unit, published_from
from pixelcnn.config.reading import read_text
from pixelcnn.config.run_spec import DatasetSpec, TrainingSpec
from pixelcnn.system.code_digest import PACKAGE

#: Of the repository; not there where the package alone is installed.
FILE = PACKAGE.parent / "docs" / "published.yaml"

#: Keys of a protocol in which two must agree to compare. The others are told beside a number: whether it is a
#: bound, in which order pixels come.
COMPARED = ("data", "image_size", "levels", "binarization", "split", "models", "augmentation")
#: Of these, the one that may also be unknown: it is another recipe for the same test.
MAY_BE_UNKNOWN = ("augmentation",)

#: Data that are called by one name.
SAME_NAME = {"imagenet32_2016": "imagenet32"}
#: Sources that are others' data in another form -> the data.
SOURCES: dict[str, Data] = {"binarized_mnist": "mnist", "mnist5k": "mnist"}
#: Sources whose test images are no published test split: ImageNet's has no labels, so nobody measures on it.
SPLITS: dict[str, Literal["validation", "own"]] = {"imagenet32": "validation", "mnist5k": "own"}
#: In how many keys a number may differ and be near, where another one compares and where none does.
NEAR, NEAR_ALONE = 2, 1

WORDS: dict[str, Callable[[str], str]] = {
    "data": lambda value: {
        "imagenet32": "ImageNet as Chrabaszcz et al. 2017 sampled it down",
        "imagenet32_2016": "ImageNet as van den Oord et al. 2016 sampled it down",
    }.get(value, value),
    "image_size": lambda value: f"{value} × {value} pixels",
    "levels": lambda value: f"{value} levels",
    "binarization": lambda value: {
        "none": "not binarized",
        "static": "static binarization",
        "dynamic": "dynamic binarization (test images drawn anew from the intensities)",
        "threshold": "binarized at a threshold",
    }[value],
    "split": lambda value: {
        "test": "the published test split",
        "validation": "the published validation split",
        "own": "a test split of one's own",
    }[value],
    "models": lambda value: {"one": "one distribution", "mixture": "a mixture of several"}[value],
    "augmentation": lambda value: {
        "none": "no augmentation",
        "flip": "trained on mirrored images, too",
        "other": "trained on changed images, too",
    }[value],
}


@dataclass(frozen=True)
class Apart:
    """Published numbers that do not compare for one `reason`, lowest first."""

    reason: str
    entries: list[PublishedSpec]


@dataclass(frozen=True)
class Beside:
    """What was published beside a dataset's results: those that compare, and the nearest that do not."""

    unit: Unit
    same: list[PublishedSpec]
    apart: list[Apart]


def read_published() -> list[PublishedSpec]:
    """The numbers of docs/published.yaml; none where it is not installed.

    Raises:
        ConfigError: naming the entry that is not as it is to be.
    """
    if not FILE.is_file():
        return []
    from pixelcnn.config.yaml_text import parse  # only here: reports of a package without docs need no YAML

    return published_from(parse(read_text(FILE), str(FILE)), str(FILE))


def protocol_of(images: DatasetSpec, training: TrainingSpec) -> ProtocolSpec | None:
    """What one network's test NLL on a dataset stands for; None if the data are nobody else's."""
    data = SOURCES.get(images.source, images.source)
    size = images.height_width
    if data not in get_args(Data) or size is None or size[0] != size[1]:
        return None
    return ProtocolSpec(
        data=data,  # type: ignore[arg-type]  # one of them, as was just asked
        image_size=size[0],
        levels=images.levels,
        binarization=_binarization(images),
        split=SPLITS.get(images.source, "test"),
        models="one",
        augmentation="none" if training.augment is None else "flip",
        likelihood="exact",
        order="raster",
    )


def _binarization(images: DatasetSpec) -> Literal["none", "static", "dynamic", "threshold"]:
    if images.source == "binarized_mnist":
        return "static"
    if images.binarize is None:
        return "none"
    return "dynamic" if images.binarize == "stochastic" else "threshold"


def unit_of(protocol: ProtocolSpec) -> Unit:
    """In what numbers on such data are told: binary images in nats, others in bits/dim."""
    return "nats" if protocol.levels == 2 else "bits/dim"


def differences(theirs: ProtocolSpec, ours: ProtocolSpec) -> list[str]:
    """The keys by which two do not compare. What is not known of one agrees with nothing."""

    def differ(key: str) -> bool:
        pair = getattr(theirs, key), getattr(ours, key)
        return pair[0] != pair[1] if UNKNOWN not in pair else key not in MAY_BE_UNKNOWN

    return [key for key in COMPARED if differ(key)]


def reason(theirs: ProtocolSpec, ours: ProtocolSpec) -> str:
    """Why two do not compare, in words, from the keys that differ; empty if they do."""
    return "; ".join(f"{_words(theirs, key)}, here {_words(ours, key)}" for key in differences(theirs, ours))


def _words(protocol: ProtocolSpec, key: str) -> str:
    value = getattr(protocol, key)
    return f"{key.replace('_', ' ')} unknown" if value == UNKNOWN else WORDS[key](value)


def beside(ours: ProtocolSpec, published: Iterable[PublishedSpec]) -> Beside | None:
    """The published numbers to show beside those of a protocol; None if none is even near."""
    unit = unit_of(ours)
    named = SAME_NAME.get(ours.data, ours.data)
    about = [
        entry
        for entry in published
        if SAME_NAME.get(entry.protocol.data, entry.protocol.data) == named
        and unit_of(entry.protocol) == unit
    ]
    order = sorted(about, key=lambda entry: (len(differences(entry.protocol, ours)), _value(entry, unit)))
    same = [entry for entry in order if not differences(entry.protocol, ours)]
    near = NEAR if same else NEAR_ALONE
    others = [entry for entry in order if 0 < len(differences(entry.protocol, ours)) <= near]
    apart = [
        Apart(why, [e for e in others if reason(e.protocol, ours) == why]) for why in _whys(others, ours)
    ]
    return Beside(unit, same, apart) if same or apart else None


def _whys(others: Sequence[PublishedSpec], ours: ProtocolSpec) -> list[str]:
    """The reasons, each once, those that differ least first."""
    return list(dict.fromkeys(reason(entry.protocol, ours) for entry in others))


def _value(entry: PublishedSpec, unit: Unit) -> float:
    found = entry.in_unit(unit)
    return entry.value if found is None else found


def by_work(entries: Sequence[PublishedSpec]) -> list[list[PublishedSpec]]:
    """Entries of one work together, in the order of the first of each."""
    works = list(dict.fromkeys(entry.source.work for entry in entries))
    ordered = sorted(entries, key=lambda entry: works.index(entry.source.work))
    return [list(group) for _, group in itertools.groupby(ordered, key=lambda entry: entry.source.work)]
