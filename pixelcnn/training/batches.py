"""The training images, batch by batch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.images import draw_binary
from pixelcnn.data.prepared import PreparedData
from pixelcnn.system.seeding import derived_seed


class Batches:
    """The training split in memory; order, binarization and which images are mirrored: anew every epoch."""

    def __init__(self, data: PreparedData, spec: RunSpec, device: torch.device) -> None:
        self.split, self.intensity = data.splits["train"], data.train_is_intensity
        self.size, self.device = spec.training.batch_size, device
        self.order = torch.Generator().manual_seed(derived_seed(spec.seed, "data order"))
        self.binarization = np.random.default_rng(derived_seed(spec.seed, "binarization"))
        # A generator of its own: order and binarization are the same with and without augmentation.
        self.augmentation: torch.Generator | None = None
        if spec.training.augment is not None:
            self.augmentation = torch.Generator().manual_seed(derived_seed(spec.seed, "augmentation"))
        images = torch.from_numpy(self.split.images)
        # Of intensities only what is drawn from them goes to the device.
        self.images = images if self.intensity else images.to(device)
        labels = self.split.labels if spec.variant.conditional else None
        self.labels = None if labels is None else torch.from_numpy(labels).to(device)
        # Of the epoch that runs: the batches done, those to come once one was asked for, and the generators
        # as they were at its start, from which its order and binarization are drawn again.
        self._done = 0
        self._left: Iterator[tuple[Tensor, Tensor | None]] = iter(())
        self._at_start = self._generators()

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.size)

    def epoch(self, done: int = 0) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Every image once: int64 images [n, C, H, W] and labels [n] or None, the last batch ragged.

        The first `done` batches are left out; the generators move on as if they were not.
        """
        images = self.images
        if self.intensity:
            drawn = draw_binary(self.split.images, self.binarization)
            images = torch.from_numpy(drawn).to(self.device)
        order = torch.randperm(len(images), generator=self.order)
        mirrored = self._mirrored(len(images))
        for index in order.split(self.size)[done:]:
            index = index.to(self.device)
            x = images[index]
            if mirrored is not None:  # a choice pixel by pixel, for which no GPU is waited for
                x = torch.where(mirrored[index], x.flip(-1), x)
            yield x.long(), None if self.labels is None else self.labels[index]

    def first(self) -> tuple[Tensor, Tensor | None]:
        """The first batch of an epoch that has not begun, which `take` gives, too."""
        before = self._generators()
        batch = next(self.epoch())
        self._set(before)
        return batch

    def _mirrored(self, n: int) -> Tensor | None:
        """Which of the images an epoch has mirrored, bool [n, 1, 1, 1]; None: none ever is.

        Binary images are mirrored once they are drawn: as each pixel is drawn by itself, that is the same as
        drawing from mirrored intensities.
        """
        if self.augmentation is None:
            return None
        return torch.randint(2, (n, 1, 1, 1), generator=self.augmentation, dtype=torch.bool).to(self.device)

    def take(self, most: int) -> tuple[Tensor, Tensor | None]:
        """The next batch of epoch after epoch, as `epoch` has it, or its first `most` images."""
        if self._done == 0:
            self._left = self.epoch()
        x, y = next(self._left)
        self._done += 1
        if self._done == len(self):
            self._done, self._left, self._at_start = 0, iter(()), self._generators()
        return x[:most], None if y is None else y[:most]

    def _generators(self) -> dict[str, Any]:
        # As text: the integers of numpy's state have 128 bits.
        state = {
            "order": self.order.get_state(),
            "binarization": json.dumps(self.binarization.bit_generator.state),
        }
        return state if self.augmentation is None else state | {"augmentation": self.augmentation.get_state()}

    def state(self) -> dict[str, Any]:
        """Plain data and tensors from which `restore` makes all later batches the same."""
        return {"done": self._done, **self._at_start}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from what `state` returned."""
        self._set(state)
        self._done, self._at_start = state["done"], self._generators()
        self._left = self.epoch(done=self._done) if self._done else iter(())

    def _set(self, generators: dict[str, Any]) -> None:
        """Have the generators draw again what they drew since `_generators`."""
        self.order.set_state(generators["order"])
        self.binarization.bit_generator.state = json.loads(generators["binarization"])
        if self.augmentation is not None:
            self.augmentation.set_state(generators["augmentation"])
