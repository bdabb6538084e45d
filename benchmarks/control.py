"""How often the check against a known truth errs, and whether it finds a leak, with trained networks.

    snakemake report --cores 2 --configfile configs/control.yaml
    python -m benchmarks.control results/control                     # an hour on one core
    python -m benchmarks.control results/control --datasets binary   # some minutes

False alarms: fresh test sets are drawn from every field and scored without retraining; the share of them on
which any variant on any dataset is named as below the truth (`statistics.truth`, as the report does it).

Found leaks: as if a network had a glimpse of the last pixel, it gains log(e + (1 - e) p) - log p there, where
the field says p of what comes, with e such that this is worth so many nats on average. It is caught if it is
named among all that are asked. One that lies further above the truth than that cannot be.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from pixelcnn.config.reading import load_planned
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import Split
from pixelcnn.data.sources import markov
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.statistics.truth import below, excess
from pixelcnn.system.errors import UserError

Floats = NDArray[np.float64]
#: Of the images of this benchmark: no dataset is drawn by it.
SEED = 20_000


@dataclass(frozen=True)
class Scored:
    """New images of a dataset: nats of the truth and of each variant [N], log p of their last pixel [N]."""

    truth: Floats
    variants: dict[str, Floats]
    last: Floats


def score(folder: BenchmarkFolder, count: int, wanted: list[str] | None = None) -> dict[str, Scored]:
    """So many new images of each dataset that is a field, scored by the networks of a benchmark's first seed.

    Raises:
        UserError: if a run has no checkpoint, or no dataset is a field.
    """
    benchmark, scored = load_planned(folder.config), {}
    for place, (name, spec) in enumerate(benchmark.datasets.items()):
        if spec.field is None or name not in (wanted or benchmark.datasets):
            continue
        images = markov.draw(spec, count, np.random.default_rng([SEED, place]))
        runs = {v: folder.run_of(benchmark.run(name, v, benchmark.seeds[0])) for v in benchmark.variants}
        nats = {variant: _nats(run.checkpoint, images, spec) for variant, run in runs.items()}
        last = _last_pixel(spec, images)
        scored[name] = Scored(_truth(spec, images), nats, last)
        print(f"{name}: {count:,} images scored by {len(nats)} variants", flush=True)
    if not scored:
        raise UserError(f"{folder.path}: expected the results of a benchmark with datasets of source: markov")
    return scored


def _nats(path: Path, images: Split, spec: DatasetSpec) -> Floats:
    """-log q of each image, labels summed out."""
    model, likelihood = checkpoint.load(path).model()
    classes = model.image.classes
    found = evaluate(model, likelihood, images, all_classes=classes is not None)
    return found.per_image if classes is None else found.marginal(np.full(classes, 1 / classes))


def _truth(spec: DatasetSpec, images: Split) -> Floats:
    """-log p of each image by numpy, from the images alone, labels summed out."""
    assert spec.field is not None
    by_class = [_of_label(spec, images, y).sum(axis=(1, 2, 3)) for y in range(spec.field.classes)]
    return np.asarray(np.log(len(by_class)) - np.logaddexp.reduce(by_class, axis=0))


def _of_label(spec: DatasetSpec, images: Split, label: int) -> Floats:
    return markov.log_prob(spec, images.images, np.full(len(images.images), label))


def _last_pixel(spec: DatasetSpec, images: Split) -> Floats:
    """log p of the last channel of the last pixel of each image, given all before it and its label."""
    assert images.labels is not None
    return markov.log_prob(spec, images.images, images.labels)[:, -1, -1, -1]


def false_alarms(scored: Mapping[str, Scored], size: int) -> tuple[int, int]:
    """How many sets of so many images name any variant as below, and how many sets there are."""
    count = min(len(one.truth) for one in scored.values()) // size
    named = sum(bool(_below(_part(scored, slice(i * size, (i + 1) * size)))) for i in range(count))
    return named, count


def found_leaks(
    scored: Mapping[str, Scored], size: int, worth: float
) -> Iterator[tuple[str, str, float, int, int]]:
    """Dataset, variant, its nats above the truth without a leak, how many sets name it with one, all sets."""
    for name, one in scored.items():
        gain = leak(one.last, worth)
        count = len(one.truth) // size
        for variant, nats in one.variants.items():
            leaking = Scored(one.truth, {**one.variants, variant: nats - gain}, one.last)
            tables = (_part({**scored, name: leaking}, slice(i * size, (i + 1) * size)) for i in range(count))
            caught = sum((name, variant) in _below(table) for table in tables)
            yield name, variant, float((nats - one.truth).mean()), caught, count


def leak(last: Floats, worth: float) -> Floats:
    """By how much e + (1 - e) p is above p in nats, of log p [N], with e such that the mean is `worth`."""

    def gain(e: float) -> Floats:
        return np.log(e + (1 - e) * np.exp(last)) - last

    if -last.mean() < worth:
        raise UserError(f"--leak: the last pixel holds {-last.mean():.3f} nats, less than {worth:g}")
    return gain(float(brentq(lambda e: gain(e).mean() - worth, 0.0, 1.0)))


def _part(scored: Mapping[str, Scored], images: slice) -> dict[str, Scored]:
    return {
        name: Scored(s.truth[images], {v: nats[images] for v, nats in s.variants.items()}, s.last[images])
        for name, s in scored.items()
    }


def _below(scored: Mapping[str, Scored]) -> set[tuple[str, str]]:
    """Datasets and variants that are named."""
    asked = {(n, v): excess(nats, s.truth) for n, s in scored.items() for v, nats in s.variants.items()}
    return set(below(asked))


def main() -> None:
    """Print both shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="results/NAME of a benchmark of random fields")
    parser.add_argument("--datasets", nargs="+", help="only these")
    parser.add_argument("--sets", type=int, default=200, help="test sets that are drawn for false alarms")
    parser.add_argument("--images", type=int, default=500, help="images of each")
    parser.add_argument("--leak", type=float, default=0.1, help="nats that a leak is worth")
    parser.add_argument("--leak-images", type=int, default=10_000, help="images on which it is looked for")
    asked = parser.parse_args()
    try:
        scored = score(BenchmarkFolder(asked.folder), asked.sets * asked.images, asked.datasets)
        named, count = false_alarms(scored, asked.images)
        print(f"false alarms: {named} of {count} sets of {asked.images} images ({named / count:.1%})")
        for name, variant, above, caught, of in found_leaks(scored, asked.leak_images, asked.leak):
            print(
                f"{name} {variant}: {above:+.4f} nats above the truth; with a leak worth {asked.leak:g} "
                f"caught in {caught} of {of} sets of {asked.leak_images:,}"
            )
    except UserError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
