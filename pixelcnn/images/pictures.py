"""The pictures of a trained run: samples, and test images whose lower half the model completes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelcnn.data.contract import Split
from pixelcnn.images.grids import by_class, save_completions, save_grid
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling.api import sample
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import atomic

#: Images in a grid: thousands make no picture.
SHOWN = 100
#: How often each test image is completed.
TIMES = 4
#: Noise of completions must not be that of samples: their seed is so much further on.
COMPLETION_SEEDS = 1_000_003


def labels_for(n: int, classes: int | None, wanted: Sequence[int] | None) -> Tensor | None:
    """`n` labels that go through those wanted, or all classes, again and again; None without classes.

    Raises:
        UserError: if labels are wanted of a model that has none.
    """
    if classes is None:
        if wanted is not None:
            raise UserError("--labels: this variant is unconditional, it takes no labels")
        return None
    cycle = torch.tensor(list(range(classes)) if wanted is None else list(wanted))
    return cycle[torch.arange(n) % len(cycle)]


def draw_samples(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    n: int,
    y: Tensor | None,
    arrays: Path,
    grid: Path,
    **how: Any,
) -> None:
    """Draw `n` images into an .npz file, the first of them as a grid; `how` goes to `sample`."""
    images = sample(model, likelihood, n, y=y, **how).numpy()
    labels = np.full(n, -1) if y is None else y.numpy()
    with atomic(arrays) as temporary:
        np.savez_compressed(temporary, images=images, labels=labels, seed=how["seed"])
    save_grid(grid, images[:SHOWN], model.image.levels)


def draw_completions(
    model: AutoregressiveModel,
    likelihood: Likelihood,
    test: Split,
    n: int,
    wanted: Sequence[int] | None,
    arrays: Path,
    grid: Path,
    *,
    seed: int,
    **how: Any,
) -> None:
    """Complete the upper half of `n` test images several times; a conditional model is told their class.

    `wanted` are labels to be told instead. The images go through the classes again and again.

    Raises:
        UserError: if there are fewer test images, or a conditional model lacks their labels.
    """
    if n > len(test.images):
        raise UserError(f"-n: there are {len(test.images)} test images, {n} were to be completed")
    chosen = (list(range(n)) if test.labels is None else by_class(test.labels))[:n]
    originals = test.images[chosen]
    y = labels_for(n, model.image.classes, wanted)
    if y is not None and wanted is None:
        if test.labels is None:
            raise UserError("the test images have no labels, and this variant needs them")
        y = torch.from_numpy(test.labels[chosen])
    rows = model.image.height // 2
    given = torch.from_numpy(originals[:, :, :rows]).repeat_interleave(TIMES, dim=0)
    told = None if y is None else y.repeat_interleave(TIMES)
    images = sample(model, likelihood, n * TIMES, seed=seed + COMPLETION_SEEDS, y=told, given=given, **how)
    completions = images.numpy().reshape(n, TIMES, *originals.shape[1:])
    labels = np.full(n, -1) if y is None else y.numpy()
    with atomic(arrays) as temporary:
        np.savez_compressed(
            temporary, originals=originals, completions=completions, given_rows=rows, labels=labels, seed=seed
        )
    save_completions(grid, originals[:SHOWN], completions[:SHOWN], rows, model.image.levels)
