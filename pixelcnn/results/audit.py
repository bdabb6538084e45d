"""What a variant paid: bits of an entropy coder for test images, beside what its NLL says of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

from pixelcnn.results.folder import AUDIT, RunFolder
from pixelcnn.results.records import Record
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json, write_json

#: What a file may cost above the NLL of its images: this share of it, and so many bytes.
SHARE, BYTES = 0.001, 64


@dataclass(frozen=True)
class Audit:
    """Test images of one run, compressed to a file, decompressed and found equal bit for bit.

    `nll_nats` is the sum of their -log p(x), given the label for a conditional variant, as `evaluate` found
    it by full passes. `file_bytes` are all of the file, `label_bytes` those of its labels. Seconds are of
    compressing, of decompressing and of sampling as many images in batches of the sampler's own, on the CPU.
    PNG and WebP hold the same images in one picture, without loss.
    """

    digest: str
    run_id: str
    data_sha256: str
    seed: int
    images: int
    dims: int
    nll_nats: float
    file_bytes: int
    header_bytes: int
    label_bytes: int
    compress_seconds: float
    decompress_seconds: float
    sampling_seconds: float
    png_bytes: int
    webp_bytes: int | None
    threads: int
    software: str
    processor: str

    @property
    def nll_bits(self) -> float:
        """What the images cost by their NLL."""
        return self.nll_nats / math.log(2)

    @property
    def paid_bits(self) -> int:
        """What was paid for the images: all of the file but for its labels."""
        return 8 * (self.file_bytes - self.label_bytes)

    @property
    def overhead(self) -> float:
        """What was paid above the NLL, as a share of it; infinite where images cost nothing."""
        return self.paid_bits / self.nll_bits - 1 if self.nll_bits > 0 else math.inf

    @property
    def most_bits(self) -> float:
        """What may be paid at most."""
        return self.nll_bits * (1 + SHARE) + 8 * BYTES

    @property
    def bits_per_dim(self) -> float:
        """By the NLL of these images."""
        return self.nll_bits / self._all_dims

    @property
    def paid_bits_per_dim(self) -> float:
        """By the file."""
        return self.paid_bits / self._all_dims

    @property
    def png_bits_per_dim(self) -> float:
        """Of the same images as a PNG."""
        return 8 * self.png_bytes / self._all_dims

    @property
    def webp_bits_per_dim(self) -> float | None:
        """Of the same images as a WebP; None where Pillow has none."""
        return None if self.webp_bytes is None else 8 * self.webp_bytes / self._all_dims

    @property
    def _all_dims(self) -> int:
        return self.images * self.dims

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_json(path, asdict(self))


def audit_file(folder: RunFolder) -> Path:
    """Where it lies what a run, or another one of its variant, paid."""
    return folder.path.parent / AUDIT


def audit_of(folder: RunFolder, record: Record | None) -> Audit | None:
    """What this very training paid; None if there is no such audit, or it is damaged."""
    path = audit_file(folder)
    try:
        found = Audit(**read_json(path)) if path.is_file() else None
    except (UserError, TypeError):
        return None  # as good as none: the test results stand
    same = found and record and (found.digest, found.run_id) == (record.digest, record.run_id)
    return found if same else None
