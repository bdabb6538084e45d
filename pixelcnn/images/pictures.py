"""The pictures of a trained run: samples, and test images whose lower half the model completes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelcnn.data.contract import Split
from pixelcnn.images.grids import in_turn, save_completions, save_grid
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

#: Called with (finished images, all images).
OnProgress = Callable[[int, int], None]


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


@dataclass(frozen=True)
class Drawing:
    """How the pictures of a model are drawn.

    wanted: the labels to draw, again and again; None: all classes in turn, or those of the test images.
    The rest is as for `sample`.
    """

    model: AutoregressiveModel
    likelihood: Likelihood
    wanted: Sequence[int] | None
    seed: int
    temperature: float
    batch_size: int

    def samples(self, n: int, path: Path, on_progress: OnProgress) -> Path:
        """Draw `n` images into an .npz file, and the first of them as a grid beside it, which is returned."""
        y = labels_for(n, self.model.image.classes, self.wanted)
        images = self._sample(n, self.seed, on_progress, y)
        with atomic(path) as temporary:
            np.savez_compressed(temporary, images=images, labels=_array(y, n), seed=self.seed)
        grid = path.with_suffix(".png")
        save_grid(grid, images[:SHOWN], self.model.image.levels)
        return grid

    def completions(self, test: Split, n: int, path: Path, on_progress: OnProgress) -> Path:
        """Complete the upper half of `n` test images several times; files as for `samples`.

        A conditional model is told their labels, or those wanted. The images go through the classes again
        and again; without labels they are drawn at random, always the same ones.

        Raises:
            UserError: if there are fewer test images, or a conditional model lacks their labels.
        """
        if n > len(test.images):
            raise UserError(f"-n: there are {len(test.images)} test images, {n} were to be completed")
        chosen = in_turn(len(test.images), test.labels)[:n]
        originals = test.images[chosen]
        y = labels_for(n, self.model.image.classes, self.wanted)
        if y is not None and self.wanted is None:
            if test.labels is None:
                raise UserError("the test images have no labels, and this variant needs them")
            y = torch.from_numpy(test.labels[chosen])
        rows = self.model.image.height // 2
        given = torch.from_numpy(originals[:, :, :rows]).repeat_interleave(TIMES, dim=0)
        told = None if y is None else y.repeat_interleave(TIMES)
        images = self._sample(n * TIMES, self.seed + COMPLETION_SEEDS, on_progress, told, given)
        completions = images.reshape(n, TIMES, *originals.shape[1:])
        with atomic(path) as temporary:
            np.savez_compressed(
                temporary,
                originals=originals,
                completions=completions,
                given_rows=rows,
                labels=_array(y, n),
                seed=self.seed,
            )
        grid = path.with_suffix(".png")
        save_completions(grid, originals[:SHOWN], completions[:SHOWN], rows, self.model.image.levels)
        return grid

    def _sample(
        self, n: int, seed: int, on_progress: OnProgress, y: Tensor | None, given: Tensor | None = None
    ) -> NDArray[np.uint8]:
        images = sample(
            self.model,
            self.likelihood,
            n,
            seed=seed,
            y=y,
            given=given,
            temperature=self.temperature,
            batch_size=self.batch_size,
            on_progress=on_progress,
        )
        return images.numpy()


def _array(y: Tensor | None, n: int) -> NDArray[np.int64]:
    """Labels as they are written: -1 for none."""
    return np.full(n, -1) if y is None else y.numpy()
