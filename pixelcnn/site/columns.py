"""The columns of a report's tables as numbers.json has them: of which type each is, and what it means."""

from __future__ import annotations

import math
from typing import Any

from pixelcnn.results.metric import Metric
from pixelcnn.results.metric_table import METRICS
from pixelcnn.system.errors import UserError

#: The parts of a metric's summary over seeds.
PARTS = {
    "mean": ("number", "Arithmetic mean over the finished seeds."),
    "sd": ("number", "Sample standard deviation over them; null of one seed."),
    "low": ("number", "Lower end of the 95 % t-interval of the mean; null of one seed."),
    "high": ("number", "Its upper end."),
    "n": ("integer", "How many finished seeds have the metric."),
}

#: Of metrics.csv, a row a run, besides metrics.
RUN = {
    "dataset": ("string", "Name of the dataset in the config."),
    "variant": ("string", "Name of the variant in the config."),
    "model": ("string", "The architecture."),
    "conditional": ("boolean", "Whether the model is given the label."),
    "seed": ("integer", "Seed of the training."),
    "status": (
        "string",
        "finished, not evaluated, running, failed, interrupted, outdated, damaged or missing.",
    ),
    "detail": ("string", "Why it is not finished."),
    "dims": ("integer", "Channels x height x width of an image."),
    "levels": ("integer", "Values of each channel of a pixel."),
    "split": ("string", "The images it was evaluated on."),
    "data_sha256": ("string", "SHA-256 of the prepared data."),
    "stopped_early": ("boolean", "Whether patience ended the training."),
    "device": ("string", "Where it was trained."),
    "threads": ("integer", "CPU threads of the training."),
    "precision": ("string", "float32 or bfloat16, of the training."),
    "host": ("string", "Name of the machine."),
    "commit": ("string", "Commit of the code that trained it."),
    "code": ("string", "Digest of the code that decides a training."),
    "resumes": ("integer", "How often it resumed from a saved state."),
    "run_id": ("string", "The training's own name."),
    "started": ("string", "When, ISO 8601."),
    "ended": ("string", "When, ISO 8601."),
    "stale": ("boolean", "Whether its code was edited before the report; null if its records do not say."),
    "digest": ("string", "Digest of the spec that was trained."),
    "expected_digest": ("string", "Digest of the spec that the config asks for."),
}

#: Of comparison.csv, a row a dataset and variant, besides metrics.
VARIANT = {
    "dataset": RUN["dataset"],
    "variant": RUN["variant"],
    "model": RUN["model"],
    "conditional": RUN["conditional"],
    "rank": ("integer", "By the mean of comparable_nll, from 1; null without a finished seed."),
    "n": ("integer", "Seeds that finished."),
    "expected": ("integer", "Seeds that the config asks for."),
    "parameters": ("integer", "Trainable numbers of the model."),
    "commits": ("string", "Commits of the code that trained it, with spaces between."),
    "stale": ("boolean", "Whether a run of it is stale."),
    "paid_bits_per_dim": ("number", "Bits per dimension of test images as a compressed file."),
    "best_rank": ("integer", "The best rank that is not excluded, by the simultaneous comparisons."),
    "worst_rank": ("integer", "The worst rank that is not excluded."),
    "behind": ("number", "Nats per image above the best variant."),
    "behind_low": ("number", "Lower end of its simultaneous interval."),
    "behind_high": ("number", "Its upper end."),
    "behind_p": ("number", "Its adjusted p."),
    "mixture_nll": ("number", "NLL of the mixture of the seeds' networks, nats per image; another model."),
    "mixture_n": ("integer", "Seeds in that mixture; 0 if there is none."),
    "truth_nll": ("number", "NLL of the distribution that the images were drawn from; null if unknown."),
    "excess": ("number", "Nats per image above that truth, paired by test image."),
    "excess_low": ("number", "Lower end of its 95 % interval over test images."),
    "excess_high": ("number", "Its upper end."),
}

#: Of the models in the site, one a dataset and variant.
MODEL = {
    "dataset": RUN["dataset"],
    "variant": RUN["variant"],
    "seed": ("integer", "That with the lowest validation NLL of the variant, whatever its test NLL is."),
    "file": (
        "string",
        "The model, for `pixelcnn sample` and the like: its path from the folder of this file.",
    ),
    "bytes": ("integer", "Size of the file."),
    "sha256": ("string", "SHA-256 of the file."),
    "best_valid_nll": ("number", "That validation NLL, in nats; given the label if conditional."),
}

#: Of pairs.csv, a row a dataset and pair of variants.
PAIR = {
    "dataset": RUN["dataset"],
    "first": ("string", "The better variant of the two."),
    "second": ("string", "The other."),
    "difference": ("number", "comparable_nll of first minus second over seeds, nats per image."),
    "low": ("number", "Lower end of its simultaneous interval."),
    "high": ("number", "Its upper end."),
    "plain_low": ("number", "Lower end of the interval of this difference alone."),
    "plain_high": ("number", "Its upper end."),
    "p": ("number", "Adjusted for all pairs and looks; null where seeds are too few."),
    "verdict": ("string", "better, worse, equivalent or undecided."),
    "sign": ("string", "lower or higher, if that is certain."),
    "stepwise": ("boolean", "Whether the step-down procedure alone decided it."),
    "margin": ("number", "Differences within it are equivalent, nats per image."),
    "form": ("string", "Whose error the comparison takes."),
    "blocked": ("boolean", "Whether the two are compared seed by seed."),
    "error": ("number", "Standard error of the difference."),
    "freedom": ("number", "Degrees of freedom."),
    "n_first": ("integer", "Seeds of the first."),
    "n_second": ("integer", "Seeds of the second."),
    "look": ("integer", "Which look at these variants it is, from 1."),
    "beats": ("number", "Share of pairs of a seed of each in which the first has the lower NLL."),
    "new_images_error": ("number", "Standard error over seeds and new test images."),
    "new_images_low": ("number", "Lower end of the simultaneous interval over seeds and new test images."),
    "new_images_high": ("number", "Its upper end."),
    "new_images_plain_low": ("number", "Lower end of that interval of this difference alone."),
    "new_images_plain_high": ("number", "Its upper end."),
    "new_images_seeds_share": ("number", "Share of the seeds in that variance."),
    "images_mean": ("number", "Mean difference over test images, the same networks."),
    "images_error": ("number", "Its standard error over test images."),
    "images_low": ("number", "Lower end of its interval."),
    "images_high": ("number", "Its upper end."),
    "images_better": ("number", "Share of test images that the first gives a higher probability."),
    "images": ("integer", "Test images."),
}

#: Of findings.csv, a row a claim and pair of variants that it is about.
FINDING = {
    "dataset": RUN["dataset"],
    "claim": ("string", "The claim, in short."),
    "question": ("string", "What this benchmark can ask instead."),
    "subject": ("string", "The variant that it is about."),
    "against": ("string", "The variant that it is held against; null: a guess, or there is none."),
    "verdict": ("string", "supported, contradicted, not supported, undecided or not measured."),
    "measure": ("string", "Key of the metric, or what was timed."),
    "unit": ("string", "Of the two values."),
    "value": ("number", "Of the subject: mean over seeds, geometric mean over rounds of a time."),
    "other_value": ("number", "The same of the other variant, or of a guess."),
    "effect": ("number", "value minus other_value over seeds; where effect_unit is times, their ratio."),
    "effect_unit": ("string", "Of effect, low and high."),
    "low": ("number", "Lower end of its 95 % interval, simultaneous if it is a difference."),
    "high": ("number", "Its upper end."),
    "p": ("number", "Adjusted for all comparisons and looks; null of ratios and where seeds are too few."),
    "n_subject": ("integer", "Seeds or rounds of the subject."),
    "n_against": ("integer", "Seeds or rounds of the other, or seeds of which a guess is known."),
    "sentence": ("string", "The answer in words."),
}

#: Column -> (type in JSON, meaning).
Columns = dict[str, tuple[str, str]]


def metric_words(metric: Metric) -> str:
    """What a metric is, and its unit."""
    unit = f", in {metric.unit}" if metric.unit else ""
    return f"{metric.label}: {metric.meaning}{unit}."


def run_metrics() -> list[Metric]:
    """The metrics that a row of metrics.csv has."""
    return [metric for metric in METRICS if metric.per_run]


def summarized_metrics() -> list[Metric]:
    """The metrics that a row of comparison.csv has a summary of."""
    return [metric for metric in METRICS if metric.summarized]


def typed(cell: str, kind: str, where: str) -> Any:
    """What a cell of a table says, None where it is empty.

    Raises:
        UserError: if it is not of that type.
    """
    if cell == "" or kind == "string":
        return cell or None
    if kind == "boolean" and cell in ("True", "False"):
        return cell == "True"
    try:
        number = None if kind == "boolean" else float(cell)
    except ValueError:
        number = None
    if number is None:
        raise UserError(f"{where}: damaged, {cell!r} is no {kind}; `pixelcnn report` writes the table anew")
    if not math.isfinite(number):
        return None  # JSON has none
    whole = kind == "integer" or cell.lstrip("-").isdigit()
    return int(number) if whole and number.is_integer() else number
