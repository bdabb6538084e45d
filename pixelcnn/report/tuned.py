"""Whether variants were tuned, over what and by how many trials, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.tuned import TunedVariant
from pixelcnn.config.tuning import split
from pixelcnn.report.words import count_of, joined

#: Keys and names that a sentence has before it counts the others.
MOST = 6


def key_words(key: str) -> str:
    """A key of a tuning as people call it: training.learning_rate is the learning rate."""
    return split(key)[1].replace("_", " ")


def keys_of(tuned: Iterable[TunedVariant]) -> list[str]:
    """What was tuned of any of these, the learning rate first."""
    keys = dict.fromkeys(key for found in tuned for key in found.keys)
    return sorted(keys, key=lambda key: key != "training.learning_rate")


def number_of(value: Any) -> float | None:
    """A value as a place on an axis; None if it is none."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def changed_since(benchmark: Benchmark, name: str, found: TunedVariant) -> dict[str, Any]:
    """The values that a variant has instead of those that were chosen, because its config was edited."""
    variant = benchmark.variants[name]
    has = {"training": asdict(benchmark.training.changed(variant.training))}
    has["hyperparameters"] = variant.hyperparameters
    chosen = found.choice.values
    now = {key: has[place].get(own, chosen[key]) for key in chosen for place, own in [split(key)]}
    return {key: value for key, value in now.items() if value != chosen[key]}


def tuned_sentence(benchmark: Benchmark) -> str:
    """Who was tuned, over what, by how many trials, chosen by what; what was edited since."""
    tuned, variants = benchmark.tuned or {}, benchmark.variants
    if not tuned:
        if any(variant.training for variant in variants.values()):
            return "No variant was tuned by this benchmark: the recipes are the config's."
        return "No variant was tuned: all run one recipe."
    names, how = list(tuned), _how(list(tuned.values()))
    left = [name for name in variants if name not in tuned]
    if left:
        who = joined(names, MOST) if len(names) <= MOST else f"{len(names)} of {len(variants)} variants"
        verb = "was" if len(names) == 1 else "were"
        said = f"{who} {verb} tuned ({how}); {_as_written(benchmark, left)}."
    elif len(names) == 1:
        said = f"{names[0]} was tuned: {how}."
    else:
        said = f"All {len(names)} variants were tuned: {how}."
    return said + _edited(benchmark, tuned)


def _as_written(benchmark: Benchmark, left: Sequence[str]) -> str:
    who = f"{left[0]} runs" if len(left) == 1 else f"the other {len(left)} run"
    own = sum(bool(benchmark.variants[name].training) for name in left)
    recipe = "recipe" if not own or len(left) == 1 else "recipes"
    return f"{who} the {recipe} as written"


def _how(tuned: Sequence[TunedVariant]) -> str:
    keys = keys_of(tuned)
    each = " each" if len(tuned) > 1 else ""
    over = joined([key_words(key) for key in keys], MOST)
    if any(set(found.keys) != set(keys) for found in tuned):
        over += ", as far as a variant has them,"
    numbers = sorted({len(found.trials) for found in tuned})
    trials = f"{count_of(numbers[0], 'trial')}{each}"
    if len(numbers) > 1:
        trials = f"{numbers[0]} to {numbers[-1]} trials (not equally many)"
    earlier = {found.earlier for found in tuned}
    if earlier != {0}:
        trials += f" after {earlier.pop()} earlier ones" if len(earlier) == 1 else ", some after earlier ones"
    return f"{over} by {trials}{_short(tuned)}, chosen by validation NLL {_at(tuned)}"


def _short(tuned: Sequence[TunedVariant]) -> str:
    shares = sorted({found.share for found in tuned})
    if shares == [1]:
        return ""
    told = " to ".join(f"{100 * share:g} %" for share in dict.fromkeys((shares[0], shares[-1])))
    return f" on {told} of the budget"


def _at(tuned: Sequence[TunedVariant]) -> str:
    seeds = {found.seeds for found in tuned}
    if len(seeds) > 1:
        return "at different seeds"
    own = [str(seed) for seed in seeds.pop()]
    return f"at seed{'s' if len(own) > 1 else ''} {joined(own, MOST)}"


def _edited(benchmark: Benchmark, tuned: Mapping[str, TunedVariant]) -> str:
    found = {name: list(changed_since(benchmark, name, one)) for name, one in tuned.items()}
    words = [f"{joined([key_words(key) for key in keys])} of {name}" for name, keys in found.items() if keys]
    return f" Not as chosen, but edited since: {joined(words)}." if words else ""
