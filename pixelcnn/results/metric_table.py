"""Every number that a run is judged by, once: its name, its meaning, where it is read and where it goes.

The tables for machines, the page, the claims and MLflow read `METRICS`. One more metric is one more entry
(docs/adding.md), and its value in the record that measures it if that does not have it yet.
"""

from __future__ import annotations

from collections.abc import Callable

from pixelcnn.results.metric import Metric, RunRecords, Spoken, Tracked

#: What ranks variants: in nats per image, label-marginalised where the variant is conditional.
RANKED_BY = "comparable_nll"

#: Keys of a history line that MLflow has as series, in the units of `records.HISTORY_KEYS`.
SERIES = ("valid_nll", "train_nll", "learning_rate", "gradient_norm", "images_per_second")


def metric(key: str) -> Metric:
    """The metric of this key.

    Raises:
        KeyError: if there is none.
    """
    for entry in METRICS:
        if entry.key == key:
            return entry
    raise KeyError(key)


def _comparable(key: str) -> Callable[[RunRecords], float | None]:
    def value(run: RunRecords) -> float | None:
        found: float | None = getattr(run.test, f"marginal_{key}" if run.conditional else key)
        return found

    return value


def _gap(run: RunRecords) -> float | None:
    return run.analysis.valid_nll - run.analysis.train_nll if run.analysis else None


def _end_gap(run: RunRecords) -> float | None:
    valid, train = (run.history[-1].get(key) for key in ("valid_nll", "train_nll"))
    return None if valid is None or train is None else valid - train


def _effective_share(run: RunRecords) -> float | None:
    found = run.analysis
    return found.effective_pixels / found.earlier_pixels if found and found.earlier_pixels else None


METRICS = [
    # On the test images.
    Metric(RANKED_BY, "NLL −log p(x)", "nats",
        "the mean over the test images of −log p(x), natural logarithm; label-marginalised where conditional",
        source="test", value=_comparable("nll"), better="lower", small="nats/image, ± sd, 95 % interval",
        tables=("results",), spoken=Spoken("NLL"),
        tracked=Tracked(width=125, compared=("mean", "sd", "low", "high"))),
    Metric("comparable_bits_per_dim", "bits/dim", "bits/dim", "NLL / (dims · ln 2)", source="test",
        value=_comparable("bits_per_dim"), better="lower", digits=4, per_run=False, tables=("results",),
        tracked=Tracked(width=190, compared=("mean",))),
    Metric("comparable_perplexity", "Perplexity", "", "the exponential of NLL / dims", source="test",
        value=_comparable("perplexity"), better="lower", digits=4, small="per dimension", per_run=False,
        tables=("results",), tracked=Tracked(compared=("mean",))),
    Metric("nll", "NLL given label", "nats",
        "the mean of −log p(x|y) given the true label; not comparable with unconditional variants",
        source="test", better="lower", small="−log p(x|y), nats", conditional=True, tables=("results",)),
    Metric("bits_per_dim", "bits/dim given label", "bits/dim", "NLL given the label / (dims · ln 2)",
        source="test", better="lower", digits=4),
    Metric("perplexity", "Perplexity given label", "", "the exponential of NLL given the label / dims",
        source="test", better="lower", digits=4),
    Metric("marginal_nll", "Label-marginalised NLL", "nats",
        "the mean of −log Σ p(y) p(x|y) over the labels", source="test", better="lower"),
    Metric("marginal_bits_per_dim", "Label-marginalised bits/dim", "bits/dim",
        "label-marginalised NLL / (dims · ln 2)", source="test", better="lower", digits=4),
    Metric("marginal_perplexity", "Label-marginalised perplexity", "",
        "the exponential of label-marginalised NLL / dims", source="test", better="lower", digits=4),
    Metric("accuracy", "Accuracy", "share",
        "the share of test images to which the true label gives the highest p(x|y)", source="test",
        better="higher", digits=1, counted=True, conditional=True, tables=("results",),
        spoken=Spoken("accuracy of Bayes' rule", "Accuracy", "was not scored under every label"),
        tracked=Tracked(width=90, compared=("mean",))),
    Metric("images", "Test images", "images", "the number of test images", source="test", digits=0,
        summarized=False),
    Metric("evaluation_seconds", "Evaluation", "seconds", "the time of the evaluation on the test images",
        source="test", value="seconds", summarized=False, tracked=Tracked(timing=True)),
    # Of the training.
    Metric("parameters", "Parameters", "numbers", "how many trainable numbers the network has",
        source="training", digits=0, summarized=False, tables=("results",),
        tracked=Tracked(width=100, from_start=True)),
    Metric("training_seconds", "Training", "seconds",
        "the time in training steps, while other runs may have run beside", source="training",
        of_machine=True, better="lower", small="per seed", tables=("results", "cost"),
        tracked=Tracked(width=135, compared=("mean",))),
    Metric("wall_seconds", "Training with validation", "seconds",
        "the time from the first training step to the end of the last validation", source="training",
        of_machine=True, better="lower"),
    Metric("images_per_second", "Training speed", "images/s",
        "the training images a second of training steps", source="training", of_machine=True,
        better="higher", digits=0, tracked=Tracked("mean_images_per_second")),
    Metric("peak_memory_bytes", "Peak memory", "bytes",
        "the most memory held in training steps and validations: by the process, or by tensors on the GPU",
        source="training",
        of_machine=True, better="lower", small="training", tables=("cost",)),
    Metric("best_epoch", "Chosen epoch", "epochs",
        "the epoch of the lowest validation NLL, whose averaged weights are tested", source="training",
        digits=1, small="of all"),
    Metric("epochs", "Epochs", "epochs", "the number of epochs", source="training", digits=0),
    Metric("best_valid_nll", "Validation NLL", "nats", "the lowest validation NLL, which chose the epoch",
        source="training", better="lower", summarized=False, tracked=Tracked(width=115)),
    Metric("images_seen", "Images seen", "images", "the number of images in all training steps",
        source="training", digits=0, per_run=False, summarized=False),
    # By a look into the trained network.
    Metric("gap", "Gap at the chosen epoch", "nats",
        "validation minus training NLL, both of the averaged weights", source="analysis", value=_gap,
        small="nats/image, ± sd, 95 % interval", tables=("overfitting",),
        spoken=Spoken("generalization gap at the chosen epoch", "The gap"), tracked=None),
    Metric("end_gap", "Gap at the end", "nats",
        "validation NLL of the averaged weights minus training NLL of the weights while they trained",
        source="history", value=_end_gap, small="nats/image, ± sd, 95 % interval",
        tables=("overfitting",), spoken=Spoken("gap after the last epoch", "The gap"),
        tracked=None),
    Metric("effective_pixels", "Effective pixels", "pixels",
        "how many earlier pixels hold 95 % of the influence on the centre", source="analysis", digits=0),
    Metric("effective_radius", "Effective radius", "pixels",
        "the root mean square distance of earlier pixels from the centre, weighted by their influence on it",
        source="analysis", spoken=Spoken("effective radius", "The radius")),
    Metric("reach_pixels", "Reach", "pixels", "how many earlier pixels can influence the centre at all",
        source="analysis", digits=0),
    Metric("agreement", "Agreement", "share",
        "the share of samples in which a classifier sees the label that was asked for", source="analysis",
        better="higher", digits=1, small="of samples, ± sd", counted=True, conditional=True,
        spoken=Spoken("label agreement", "Agreement", "has no samples that a classifier judged")),
    Metric("sample_distance", "Distance of samples", "",
        "the median distance of a sample to its nearest training image", source="analysis", digits=3),
    Metric("test_distance", "Distance of test images", "",
        "the median distance of as many test images to their nearest training image", source="analysis",
        digits=3),
    Metric("earlier_pixels", "Earlier pixels", "pixels", "how many pixels come before the centre",
        source="analysis", digits=0, per_run=False, summarized=False),
    Metric("selected_train_nll", "Training NLL", "nats",
        "training NLL of the averaged weights of the chosen epoch", source="analysis", value="train_nll",
        better="lower", per_run=False, summarized=False),
    Metric("selected_valid_nll", "Validation NLL", "nats",
        "validation NLL of the averaged weights of the chosen epoch", source="analysis", value="valid_nll",
        better="lower", per_run=False, summarized=False),
    Metric("classifier_accuracy", "Accuracy of the classifier", "share",
        "the share of test images that the classifier of samples gets right", source="analysis", digits=1,
        per_run=False, summarized=False),
    Metric("analysis_seconds", "Analysis", "seconds", "the time of the analysis", source="analysis",
        value="seconds", per_run=False, summarized=False, tracked=Tracked(timing=True)),
    Metric("effective_share", "Effective receptive field", "share",
        "given as the share of earlier pixels that hold 95 % of the influence", source="analysis",
        value=_effective_share, digits=1, counted=True, per_run=False, summarized=False,
        spoken=Spoken("effective receptive field", "The field"), tracked=None),
    # By compressing some of the test images.
    Metric("paid_bits_per_dim", "Paid bits/dim", "bits/dim",
        "the size of a file of test images, compressed without loss by the model’s own probabilities",
        source="audit", better="lower", digits=4, summarized=False),
]  # fmt: skip
