"""In which keys two descriptions of a run differ, in words: what a refusal says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from pixelcnn.config.run_spec import DatasetSpec, RunSpec

#: Keys named in one sentence, at most.
NAMED = 3


#: How the two descriptions are called: one follows the other.
THEN_NOW = ("then", "now")


def differences(then: RunSpec, now: RunSpec, words: tuple[str, str] = THEN_NOW) -> list[str]:
    """What decides the result of a run and is another, such as "training.epochs: 10 then, 20 now"."""
    return [
        *_compared({"seed": then.seed}, {"seed": now.seed}, words=words),
        *function_differences(then, now, words),
        *_compared(_other_of_dataset(then), _other_of_dataset(now), "dataset.", words),
        *edited(then.own_files.get("source", {}), now.own_files.get("source", {})),
        *_compared(asdict(then.training), asdict(now.training), "training.", words),
    ]


def function_differences(then: RunSpec, now: RunSpec, words: tuple[str, str] = THEN_NOW) -> list[str]:
    """Those by which the same weights are another function: of network, likelihood, kind of image."""
    return [
        *_compared(_function(then), _function(now), words=words),
        *edited(then.own_files.get("model", {}), now.own_files.get("model", {})),
        *edited(then.own_files.get("likelihood", {}), now.own_files.get("likelihood", {})),
    ]


def dataset_differences(then: DatasetSpec, now: DatasetSpec, words: tuple[str, str] = THEN_NOW) -> list[str]:
    """The keys of two descriptions of a dataset that differ."""
    return list(_compared(asdict(then), asdict(now), words=words))


def edited(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Of two lists of own files (path -> SHA-256) those whose code differs; where they lie is no matter."""
    if list(then.values()) == list(now.values()):
        return []
    before, after = _by_name(then), _by_name(now)
    words = []
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            words.append(f"{name}: imported then, not now")
        elif name not in before:
            words.append(f"{name}: imported now, not then")
        elif before[name] != after[name]:
            words.append(f"{name}: its code was edited")
    return words or ["its own files: the same code in files of other names"]


def told(found: Sequence[str]) -> str:
    """The first few as one clause of a sentence."""
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return "; ".join(found[:NAMED]) + more


def _function(spec: RunSpec) -> dict[str, Any]:
    return {
        "model": spec.variant.model,
        "conditional": spec.variant.conditional,
        "likelihood": spec.variant.likelihood,
        **{f"hyperparameters.{key}": value for key, value in spec.variant.hyperparameters.items()},
        **{
            f"likelihood_hyperparameters.{key}": value
            for key, value in spec.variant.likelihood_hyperparameters.items()
        },
        "dataset.image_size": spec.dataset.image_size,
        "dataset.levels": spec.dataset.levels,
    }


def _other_of_dataset(spec: RunSpec) -> dict[str, Any]:
    return {k: value for k, value in asdict(spec.dataset).items() if k not in ("image_size", "levels")}


def _compared(
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    prefix: str = "",
    words: tuple[str, str] = THEN_NOW,
) -> Iterator[str]:
    for key in dict.fromkeys([*then, *now]):
        before, after = (json.dumps(one[key]) if key in one else "no such key" for one in (then, now))
        moved = key in ("model", "source", "likelihood") and all(
            value.endswith('.py"') for value in (before, after)
        )
        if before != after and not moved:  # of one's own files the code counts, see `edited`
            yield f"{prefix}{key}: {before} {words[0]}, {after} {words[1]}"


def _by_name(files: Mapping[str, str]) -> dict[str, str]:
    """The files by their paths from the folder of the first, in which all of them lie."""
    paths = [PurePath(path) for path in files]
    named = {}
    for path, code in zip(paths, files.values(), strict=True):
        inside = path.is_relative_to(paths[0].parent)
        named[str(path.relative_to(paths[0].parent) if inside else path.name)] = code
    return named
