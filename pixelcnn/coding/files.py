"""Compressing images to the bytes of a file, and getting them back, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelcnn.coding import codec, identity, layout
from pixelcnn.coding.layout import Header, digest
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.system.errors import UserError


@dataclass(frozen=True)
class Codec:
    """Compresses images of a trained model, which must be on the CPU."""

    trained: Checkpoint
    model: AutoregressiveModel
    likelihood: Likelihood

    @classmethod
    def of(cls, trained: Checkpoint) -> Codec:
        """With a network of its own."""
        return cls(trained, *trained.model())

    def compress(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64] | None = None,
        *,
        threads: int = 1,
        on_progress: codec.OnProgress = lambda done, total: None,
    ) -> bytes:
        """A whole file of images uint8 [N, C, H, W], given their labels int64 [N] if the model has such.

        Raises:
            RunFailed: if a probability of the model is NaN or infinite.
        """
        x, y = torch.from_numpy(images).long(), None if labels is None else torch.from_numpy(labels)
        with identity.fixed(threads):
            words = codec.encode(self.model, self.likelihood, x, y, on_progress)
            header = self._header(threads, images)
        return layout.pack(header, layout.pack_labels(labels, self.model.image.classes), words)

    def decompress(
        self,
        content: bytes,
        *,
        anywhere: bool = False,
        on_progress: codec.OnProgress = lambda done, total: None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
        """The images and labels of a file.

        `anywhere` tries it under other software or on another processor, too: it may well come out the same,
        and is refused if it does not.

        Raises:
            UserError: if the file is damaged, or was compressed by another model, other code, other software
                or on another processor, saying which.
        """
        header, body = layout.unpack(content)
        if other := [*self._differences(header, anywhere)]:
            raise UserError("not decoded, since the images would not come out: " + "; ".join(other))
        classes = self.model.image.classes
        labels = layout.unpack_labels(body, header.images, classes)
        words = layout.unpack_words(body[layout.label_bytes(header.images, classes) :])
        with identity.fixed(header.threads):
            drawn = codec.decode(
                self.model, self.likelihood, words, header.images, _tensor(labels), on_progress
            )
        images = drawn.to(torch.uint8).numpy()
        if self._pictures(images) != header.pictures:
            raise UserError(
                "the images came out otherwise than they were compressed, so they are not given: this "
                f"computes other numbers ({identity.processor()}; {identity.software()})"
            )
        return images, labels

    def _header(self, threads: int, images: NDArray[np.uint8]) -> Header:
        return Header(
            threads=threads,
            images=len(images),
            model=identity.model_digest(self.trained, self.model)[:6],
            code=identity.coding_code_digest(self.trained.spec.variant.model)[:4],
            software=digest(identity.software().encode(), 3),
            processor=digest(identity.processor().encode(), 3),
            pictures=self._pictures(images),
        )

    def _differences(self, header: Header, anywhere: bool) -> Iterator[str]:
        """In words, what is not as it was when a file was written."""
        here = self._header(header.threads, np.zeros((0, 1), np.uint8))
        if here.model != header.model:
            name = self.trained.spec.name
            yield f"it was compressed by another model than {name}, or by other weights of it"
        if here.code != header.code:
            yield "the code of pixelcnn that computes probabilities was another one then"
        if here.software != header.software and not anywhere:
            yield f"the software was another one than here ({identity.software()})"
        if here.processor != header.processor and not anywhere:
            yield f"the processor was another one than here ({identity.processor()})"

    @staticmethod
    def _pictures(images: NDArray[np.uint8]) -> bytes:
        return digest(f"{list(images.shape)}".encode() + images.tobytes(), 6)


def _tensor(labels: NDArray[np.int64] | None) -> Tensor | None:
    return None if labels is None else torch.from_numpy(labels)
