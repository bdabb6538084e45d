"""Test likelihoods: the only place where nats become bits/dim and perplexity."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelcnn import machine
from pixelcnn.checkpoint import Checkpoint
from pixelcnn.data.preparation import PreparedData
from pixelcnn.data.source import Split
from pixelcnn.errors import RunFailed
from pixelcnn.files import atomic
from pixelcnn.likelihoods import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.records import NATS, Metrics

BATCH_SIZE = 250


def bits_per_dim(nll: float, dims: int) -> float:
    """NLL in nats per image -> bits per dimension."""
    return nll / (dims * math.log(2))


def perplexity(nll: float, dims: int) -> float:
    """NLL in nats per image -> perplexity per dimension, 2^(bits/dim)."""
    return math.exp(nll / dims)


@dataclass(frozen=True)
class Likelihoods:
    """What the images of a split cost, in nats.

    per_image: -log p(x), or -log p(x|y) given the true label, [N].
    per_pixel: the same by pixel, mean over images, [H, W].
    by_class: -log p(x|y) for every class y, [N, K], of a conditional model, else None.
    """

    per_image: NDArray[np.float64]
    per_pixel: NDArray[np.float64]
    by_class: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None

    @property
    def nll(self) -> float:
        """Mean over images, in nats per image."""
        return float(self.per_image.mean())

    def marginal(self, prior: NDArray[np.float64]) -> NDArray[np.float64]:
        """-log sum_y p(y) p(x|y) of each image, for class probabilities `prior` [K]: [N]."""
        assert self.by_class is not None, "only a conditional model has classes to sum over"
        with np.errstate(divide="ignore"):  # a class without images has log p(y) = -inf
            joint = np.log(prior)[None] - self.by_class
        return -np.logaddexp.reduce(joint, axis=1)

    def accuracy(self) -> float:
        """Share of images whose true label is argmax_y p(x|y)."""
        assert self.by_class is not None and self.labels is not None
        return float((self.by_class.argmin(axis=1) == self.labels).mean())


@torch.no_grad()
def evaluate(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    split: Split,
    *,
    all_classes: bool = False,
    batch_size: int = BATCH_SIZE,
    on_batch: Callable[[], None] = lambda: None,
) -> Likelihoods:
    """The likelihood of every image of a split, the ragged last batch included.

    Runs in the model's own precision, on its own device, without autocast: float32 unless the
    model was made float64. `all_classes` also scores each image under every class. `on_batch` is called
    before each batch and may end the evaluation by raising.

    Raises:
        RunFailed: if a likelihood is NaN or infinite.
    """
    machine.exact_float32()
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    images = torch.from_numpy(split.images)
    conditional = model.image.classes is not None
    labels = torch.from_numpy(split.labels) if conditional and split.labels is not None else None
    per_image: list[Tensor] = []
    by_class: list[Tensor] = []
    per_pixel = torch.zeros(images.shape[2:], dtype=torch.float64)
    for start in range(0, len(images), batch_size):
        on_batch()
        x = images[start : start + batch_size].to(device).long()
        y = None if labels is None else labels[start : start + batch_size].to(device)
        nats = -likelihood.log_prob(model(x, y), x).double().cpu()
        per_pixel += nats.sum(dim=0)
        per_image.append(nats.sum(dim=(1, 2)))
        if all_classes:
            by_class.append(_by_class(model, likelihood, x))
    model.train(was_training)
    result = torch.cat(per_image)
    if not torch.isfinite(result).all():
        bad = int((~torch.isfinite(result)).sum())
        raise RunFailed(f"the likelihood of {bad} of {len(result)} images is NaN or infinite")
    return Likelihoods(
        per_image=result.numpy(),
        per_pixel=(per_pixel / len(images)).numpy(),
        by_class=torch.cat(by_class).numpy() if all_classes else None,
        labels=split.labels,
    )


def _by_class(model: AutoregressiveModel, likelihood: Likelihood, x: Tensor) -> Tensor:
    """-log p(x|y) for every class y: float64 [N, K]."""
    assert model.image.classes is not None
    columns = []
    for label in range(model.image.classes):
        y = torch.full((len(x),), label, device=x.device)
        columns.append(-likelihood.log_prob(model(x, y), x).double().sum(dim=(1, 2)))
    return torch.stack(columns, dim=1).cpu()


def class_prior(train: Split, classes: int) -> NDArray[np.float64]:
    """Class frequencies of the training split, [K]: the p(y) of the marginal likelihood."""
    assert train.labels is not None
    return np.bincount(train.labels, minlength=classes) / len(train.labels)


def evaluate_run(
    trained: Checkpoint,
    data: PreparedData,
    device: torch.device,
    run_dir: Path,
    batch_size: int = BATCH_SIZE,
) -> Metrics:
    """Test results of a checkpoint's EMA weights; writes metrics.json and nats.npz.

    Raises:
        UserError: if the checkpoint was trained on other data.
        RunFailed: if a likelihood is NaN or infinite.
    """
    trained.require_data(data.sha256, run_dir)
    started = time.perf_counter()
    model, likelihood = trained.model()
    model.to(device)
    conditional = model.image.classes is not None
    test = evaluate(model, likelihood, data.splits["test"], all_classes=conditional, batch_size=batch_size)
    metrics = Metrics(
        digest=trained.spec.digest,
        data_sha256=data.sha256,
        split="test",
        images=len(test.per_image),
        dims=data.dims,
        levels=data.levels,
        nll=test.nll,
        bits_per_dim=bits_per_dim(test.nll, data.dims),
        perplexity=perplexity(test.nll, data.dims),
        seconds=time.perf_counter() - started,
    )
    arrays: dict[str, Any] = {"per_image": test.per_image, "per_pixel": test.per_pixel}
    if model.image.classes is not None:
        marginal = test.marginal(class_prior(data.splits["train"], model.image.classes))
        nll = float(marginal.mean())
        metrics = replace(
            metrics,
            marginal_nll=nll,
            marginal_bits_per_dim=bits_per_dim(nll, data.dims),
            marginal_perplexity=perplexity(nll, data.dims),
            accuracy=test.accuracy(),
        )
        arrays |= {"marginal_per_image": marginal, "by_class": test.by_class}
    with atomic(run_dir / NATS) as temporary:
        np.savez_compressed(temporary, **arrays)
    metrics.write(run_dir)
    return metrics
