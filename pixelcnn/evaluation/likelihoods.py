"""Test likelihoods: the only place where nats become bits/dim and perplexity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelcnn.data.contract import Split
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.system import devices
from pixelcnn.system.errors import RunFailed

#: Images worked on together unless told otherwise; of large ones fewer, see `ImageSpec.at_once`.
BATCH_SIZE = 250


@dataclass(frozen=True)
class Likelihoods:
    """What the images of a split cost, in nats.

    per_image: -log p(x), or -log p(x|y) given the true label, [N].
    per_pixel: the same by pixel, mean over images, [H, W].
    per_channel: the same by channel, each given the earlier ones of its pixel, mean over images, [C]; None
        unless it was asked for and the likelihood tells it.
    by_class: -log p(x|y) for every class y, [N, K], of a conditional model, else None.
    """

    per_image: NDArray[np.float64]
    per_pixel: NDArray[np.float64]
    by_class: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None
    per_channel: NDArray[np.float64] | None = None

    @property
    def nll(self) -> float:
        """Mean over images, in nats per image."""
        return float(self.per_image.mean())

    def marginal(self, prior: NDArray[np.float64]) -> NDArray[np.float64]:
        """-log sum_y p(y) p(x|y) of each image, for class probabilities `prior` [K]: [N]."""
        assert self.by_class is not None, "only a conditional model has classes to sum over"
        with np.errstate(divide="ignore"):  # a class without images has log p(y) = -inf
            joint = np.log(prior)[None] - self.by_class
        nats: NDArray[np.float64] = -np.logaddexp.reduce(joint, axis=1)
        return nats

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
    by_channel: bool = False,
    batch_size: int | None = None,
    on_batch: Callable[[], None] = lambda: None,
) -> Likelihoods:
    """The likelihood of every image of a split, the ragged last batch included.

    Runs in the model's own precision, on its own device, without autocast: float32 unless the
    model was made float64. `all_classes` also scores each image under every class, `by_channel` each channel
    by itself. `batch_size` bounds the memory; by default it follows from the size of the images. `on_batch`
    is called before each batch and may end the evaluation by raising.

    Raises:
        RunFailed: if a likelihood is NaN or infinite.
    """
    devices.exact_float32()
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    batch_size = batch_size or model.image.at_once(BATCH_SIZE)
    images = torch.from_numpy(split.images)
    conditional = model.image.classes is not None
    labels = torch.from_numpy(split.labels) if conditional and split.labels is not None else None
    per_image: list[Tensor] = []
    by_class: list[Tensor] = []
    per_channel: list[Tensor] = []
    per_pixel = torch.zeros(images.shape[2:], dtype=torch.float64)
    for start in range(0, len(images), batch_size):
        on_batch()
        x = images[start : start + batch_size].to(device).long()
        y = None if labels is None else labels[start : start + batch_size].to(device)
        params = model(x, y)
        nats = -likelihood.log_prob(params, x).double().cpu()
        per_pixel += nats.sum(dim=0)
        per_image.append(nats.sum(dim=(1, 2)))
        if all_classes:
            by_class.append(_by_class(model, likelihood, x))
        if by_channel and (told := likelihood.log_prob_by_channel(params, x)) is not None:
            per_channel.append(-told.double().sum(dim=(0, 2, 3)).cpu())
    model.train(was_training)
    result = torch.cat(per_image)
    columns = torch.cat(by_class) if all_classes else None
    finite = torch.isfinite(result if columns is None else result + columns.sum(dim=1))
    if not finite.all():
        raise RunFailed(
            f"the likelihood of {int((~finite).sum())} of {len(result)} images is NaN or infinite"
        )
    return Likelihoods(
        per_image=result.numpy(),
        per_pixel=(per_pixel / len(images)).numpy(),
        by_class=None if columns is None else columns.numpy(),
        labels=split.labels,
        per_channel=(torch.stack(per_channel).sum(dim=0) / len(images)).numpy() if per_channel else None,
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
