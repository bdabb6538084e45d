"""All that is looked at in one trained run: writes analysis.npz and analysis.json."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pixelcnn.analysis.classifier import Classifier
from pixelcnn.analysis.gaps import split_nlls
from pixelcnn.analysis.neighbours import nearest, nearest_or_mirrored, training_images
from pixelcnn.analysis.offsets import offsets_seen
from pixelcnn.analysis.receptive import receptive_field
from pixelcnn.config.benchmark import AnalysisSpec
from pixelcnn.data.contract import Split
from pixelcnn.data.prepared import DAMAGED, PreparedData
from pixelcnn.images.grids import by_class, in_turn
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import Analysis
from pixelcnn.sampling.api import sample
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import atomic

#: Judged samples of each class that are kept to be shown.
SHOWN = 2


def analyse_run(
    trained: Checkpoint,
    data: PreparedData,
    device: torch.device,
    run_dir: Path,
    settings: AnalysisSpec,
    classifier: Classifier | None,
) -> Analysis:
    """Look into a checkpoint's EMA weights; `classifier` is needed for a conditional run, and only there.

    Raises:
        UserError: if it was trained on other data, or the run's samples are missing or damaged.
        RunFailed: if a likelihood is NaN or infinite, or the centre sees itself or a later pixel.
    """
    trained.require_data(data.sha256, run_dir)
    folder = RunFolder(run_dir)
    samples = _samples(folder.samples)
    started = time.perf_counter()
    model, likelihood = trained.model()
    model.to(device)
    train_nll, valid_nll = split_nlls(model, likelihood, data, settings.train_images)
    test = data.splits["test"]
    # However the file is sorted.
    test = test.part(in_turn(len(test.images), test.labels)[: max(settings.images, len(samples))])
    field = receptive_field(model, test, settings.images)
    near = _neighbours(samples, data, test, trained.spec.training.augment is not None)
    classified = (
        {}
        if classifier is None
        else _classified(model, likelihood, classifier, settings.samples, trained.spec.seed)
    )
    arrays: dict[str, Any] = {"reach": field.reach, "effective": field.effective} | near | classified
    if (seen := offsets_seen(model, trained.spec.dataset)) is not None:
        arrays["offsets_seen"] = seen
    with atomic(folder.analysis_arrays) as temporary:
        np.savez_compressed(temporary, **arrays)
    analysis = Analysis(
        digest=trained.spec.digest,
        data_sha256=data.sha256,
        train_nll=train_nll,
        valid_nll=valid_nll,
        earlier_pixels=field.earlier_pixels,
        reach_pixels=field.reach_pixels,
        effective_pixels=field.effective_pixels,
        effective_radius=field.effective_radius,
        sample_distance=float(np.median(near["sample_distance"])),
        test_distance=float(np.median(near["test_distance"])),
        seconds=time.perf_counter() - started,
        settings=asdict(settings),
        **_agreement(classifier, classified),
    )
    analysis.write(folder.analysis_file)
    return analysis


def _samples(path: Path) -> NDArray[np.uint8]:
    """The images that the run's `sample` drew."""
    if not path.is_file():
        raise UserError(f"{path}: no samples there; run `pixelcnn sample` first")
    try:
        with np.load(path, allow_pickle=False) as file:
            images: NDArray[np.uint8] = file["images"]
            return images
    except DAMAGED as error:
        raise UserError(f"{path}: damaged samples ({error}); `pixelcnn sample` draws them anew") from error


def _neighbours(
    samples: NDArray[np.uint8], data: PreparedData, test: Split, mirrored: bool
) -> dict[str, NDArray[Any]]:
    """The nearest training image of each sample, and of as many test images for comparison.

    A network that was trained on mirrored images, too, may have one of those by heart.
    """
    train = training_images(data)
    if mirrored:
        index, distance, which = nearest_or_mirrored(samples, train, data.levels)
        return {
            "sample_nearest": index,
            "sample_distance": distance,
            "sample_mirrored": which,
            "test_distance": nearest_or_mirrored(test.images[: len(samples)], train, data.levels)[1],
        }
    index, distance = nearest(samples, train, data.levels)
    return {
        "sample_nearest": index,
        "sample_distance": distance,
        "test_distance": nearest(test.images[: len(samples)], train, data.levels)[1],
    }


def _classified(
    model: AutoregressiveModel, likelihood: Likelihood, classifier: Classifier, n: int, seed: int
) -> dict[str, NDArray[Any]]:
    """Draw `n` samples of all classes in turn, one of each at least, and ask the classifier what they show.

    At temperature 1, whatever the config's: it is the model's own distribution that is judged.
    """
    classes = model.image.classes
    assert classes is not None, "an unconditional model is asked for no label"
    labels = torch.arange(max(n, classes)) % classes
    images = sample(model, likelihood, len(labels), seed=seed, y=labels).numpy()
    wanted, answers = labels.numpy(), classifier.answers(images)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (wanted, answers), 1)
    shown = by_class(wanted)[: SHOWN * classes]
    return {
        "confusion": confusion,
        "judged": images[shown],
        "judged_labels": wanted[shown],
        "judged_answers": answers[shown],
    }


def _agreement(classifier: Classifier | None, classified: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """How often the classifier saw what was asked for; nothing without one."""
    if classifier is None:
        return {}
    confusion = classified["confusion"]
    right, asked = confusion.diagonal(), confusion.sum(axis=1)
    return {
        "agreement": float(right.sum() / asked.sum()),
        "agreement_by_class": (right / asked).tolist(),
        "agreement_images": int(asked.sum()),
        "classifier_accuracy": classifier.accuracy,
    }
