"""How much there is to do in a job of each kind, in passes through a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.budget import Budget
from pixelcnn.config.run_spec import RunSpec

#: Seconds of an optimizer step beside its multiply-adds.
STEP_SECONDS = 0.02
#: Forward passes that drawing a small batch costs at most (docs/performance.md), and draws a completion.
PASSES_A_SAMPLE, DRAWS_A_COMPLETION = 10, 4
#: Forward passes an image that the effective receptive field costs, in float64 and with gradients.
PASSES_A_FIELD = 60
#: Passes over the training images that train a classifier, and its multiply-adds a pixel, forward.
CLASSIFIER_PASSES, CLASSIFIER_MULTIPLY_ADDS = 12, 21_000
#: Seconds that a measurement takes, and for slow networks how often everything is done at least.
MEASURED_SECONDS, MEASURED_TIMES, MEASURED_IMAGES = 10, 7, 64

#: What the prepared data say of themselves, see `data.prepared`: counts by split, shape, classes.
Description = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """Forward passes of an image, and seconds beside them; through the run's network unless it says which."""

    passes: float
    seconds: float = 0.0
    multiply_adds: int | None = None  # of an image's pass through another network


def training(benchmark: Benchmark, spec: RunSpec, data: Description) -> Work:
    """A backward pass costs two forward passes."""
    counts = data["counts"]
    budget = Budget.of(spec.training, counts["train"])
    validated = budget.validations * counts["valid"]
    return Work(3 * budget.images + validated, budget.steps * STEP_SECONDS)


def evaluation(benchmark: Benchmark, spec: RunSpec, data: Description) -> Work:
    """A conditional network is asked for every label."""
    return Work(data["counts"]["test"] * ((data["classes"] or 1) if spec.variant.conditional else 1))


def sampling(benchmark: Benchmark, spec: RunSpec, data: Description) -> Work:
    """Samples and completions."""
    drawn = benchmark.sampling.images + DRAWS_A_COMPLETION * benchmark.sampling.completions
    return Work(PASSES_A_SAMPLE * drawn)


def analysis(benchmark: Benchmark, spec: RunSpec, data: Description) -> Work:
    """The gaps, the samples that are judged, the receptive field."""
    judged = benchmark.analysis.samples if spec.variant.conditional else 0
    train = data["counts"]["train"]
    passes = min(train, benchmark.analysis.train_images or train) + data["counts"]["valid"]
    passes += PASSES_A_SAMPLE * judged
    return Work(passes + PASSES_A_FIELD * benchmark.analysis.images)


def audit(benchmark: Benchmark, spec: RunSpec, data: Description) -> Work:
    """Compressing, decompressing and drawing as many images."""
    return Work(3 * PASSES_A_SAMPLE * min(benchmark.audited, data["counts"]["test"]))


def classification(benchmark: Benchmark, spec: RunSpec, data: Description) -> Work:
    """A network of its own is trained."""
    passes = 3 * CLASSIFIER_PASSES * data["counts"]["train"]
    return Work(passes, multiply_adds=CLASSIFIER_MULTIPLY_ADDS * math.prod(data["shape"]))


def measurement(benchmark: Benchmark, spec: RunSpec, data: Description) -> Work:
    """Training steps, forward passes and samplings, again and again."""
    images = 3 * spec.training.batch_size + MEASURED_IMAGES * (1 + PASSES_A_SAMPLE)
    return Work(MEASURED_TIMES * images, MEASURED_SECONDS)
