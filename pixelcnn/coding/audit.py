"""Whether the NLL of a run is what its images cost: test images compressed, decompressed and compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pixelcnn.coding import identity, layout
from pixelcnn.coding.files import Codec
from pixelcnn.coding.pictures import png_bytes, webp_bytes
from pixelcnn.data.prepared import PreparedData
from pixelcnn.results.audit import BYTES, SHARE, Audit
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.sampling.api import sample
from pixelcnn.system.errors import RunFailed, UserError

#: Draws which test images are compressed, the same ones of every run.
SEED = 21

T = TypeVar("T")


def audit_run(trained: Checkpoint, data: PreparedData, folder: RunFolder, images: int, threads: int) -> Audit:
    """Pay for so many test images of an evaluated run, all of them if there are fewer.

    Raises:
        UserError: if the run was not evaluated, or on other data.
        RunFailed: if an image comes out otherwise, or all cost more than their NLL says.
    """
    trained.require_data(data.sha256, folder.path)
    test, record = data.splits["test"], folder.record()
    chosen = chosen_images(len(test.images), images)
    nats = _nats(folder, trained)[chosen]
    codec = Codec.of(trained)
    x = np.ascontiguousarray(test.images[chosen])
    conditional = codec.model.image.classes is not None
    y = test.labels[chosen].astype(np.int64) if conditional and test.labels is not None else None
    # What a process does once, as to import the coder, is no part of the times.
    codec.compress(x[:1], None if y is None else y[:1], threads=threads)
    content, compressing = _timed(lambda: codec.compress(x, y, threads=threads))
    (images_back, labels_back), decompressing = _timed(lambda: _decompressed(codec, content))
    _compare(x, images_back, y, labels_back)
    found = Audit(
        digest=trained.spec.digest,
        run_id=record.run_id if record else "",
        data_sha256=data.sha256,
        seed=trained.spec.seed,
        images=len(x),
        dims=data.dims,
        nll_nats=float(nats.sum()),
        file_bytes=len(content),
        header_bytes=layout.HEADER,
        label_bytes=layout.label_bytes(len(x), codec.model.image.classes),
        compress_seconds=compressing,
        decompress_seconds=decompressing,
        sampling_seconds=_sampling(codec, len(x), y, threads),
        png_bytes=png_bytes(x, data.levels),
        webp_bytes=webp_bytes(x),
        threads=threads,
        software=identity.software(),
        processor=identity.processor(),
    )
    if found.paid_bits > found.most_bits:
        raise RunFailed(
            f"{len(x)} test images cost {found.paid_bits:,} bits, their NLL says {found.nll_bits:,.0f}; "
            f"{SHARE:.1%} and {BYTES} bytes more are allowed, so it is not what the model's own "
            "probabilities are worth"
        )
    return found


def chosen_images(count: int, images: int) -> NDArray[np.int64]:
    """Which of so many test images are compressed, at random, in the order of the file."""
    drawn = np.random.default_rng(SEED).permutation(count)[:images]
    return np.sort(drawn)


def _nats(folder: RunFolder, trained: Checkpoint) -> NDArray[np.float64]:
    """-log p of each test image, as `evaluate` found it."""
    metrics = folder.metrics()
    if metrics is None or metrics.digest != trained.spec.digest or not folder.nats.exists():
        raise UserError(f"{folder.path}: was not evaluated; run `pixelcnn evaluate` first")
    with np.load(folder.nats) as arrays:
        nats: NDArray[np.float64] = arrays["per_image"]
    return nats


def _decompressed(codec: Codec, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    try:
        return codec.decompress(content)
    except UserError as error:  # here it is no user's: what was just written is not read
        raise RunFailed(str(error)) from error


def _compare(
    x: NDArray[np.uint8],
    back: NDArray[np.uint8],
    y: NDArray[np.int64] | None,
    labels: NDArray[np.int64] | None,
) -> None:
    """By themselves, whatever the checksums of the file say."""
    if wrong := int((x != back).any(axis=(1, 2, 3)).sum()):
        raise RunFailed(f"{wrong} of {len(x)} test images came out otherwise than they were compressed")
    if y is not None and (labels is None or not np.array_equal(y, labels)):
        raise RunFailed("labels came out otherwise than they were compressed")


def _sampling(codec: Codec, n: int, y: NDArray[np.int64] | None, threads: int) -> float:
    """Seconds of drawing as many images by the sampler of `pixelcnn sample`."""
    labels = None if y is None else torch.from_numpy(y)
    with identity.fixed(threads):
        _, seconds = _timed(lambda: sample(codec.model, codec.likelihood, n, seed=0, y=labels))
    return seconds


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started
