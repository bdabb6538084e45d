"""The bytes of a .pxc file: a header, the labels, the words of the coder.

    magic      4   "PXC" and the version of this layout
    threads    1   that computed
    images     4   how many
    model      6   digest of weights and architecture, see `identity`
    code       4   digest of the code that computes
    software   3   digest of torch and its settings
    processor  3   digest of the processor
    pictures   6   digest of the images
    file       6   digest of all else in the file

Numbers are little-endian; digests are the first bytes of SHA-256. Of a conditional model the labels follow,
as many bits each as number the classes, then the words of 32 bits.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from pixelcnn.system.errors import UserError

MAGIC = b"PXC\x01"
FIELDS = struct.Struct("<4sBI6s4s3s3s6s")
#: Bytes of a digest of the file, and of the whole header.
CHECK = 6
HEADER = FIELDS.size + CHECK
#: Images and threads that a header can tell.
MOST_IMAGES, MOST_THREADS = 2**32 - 1, 255


@dataclass(frozen=True)
class Header:
    """What a file says of itself, digests as in the layout."""

    threads: int
    images: int
    model: bytes
    code: bytes
    software: bytes
    processor: bytes
    pictures: bytes


def digest(content: bytes, size: int) -> bytes:
    """The first bytes of SHA-256."""
    return hashlib.sha256(content).digest()[:size]


def pack(header: Header, labels: bytes, words: NDArray[np.uint32]) -> bytes:
    """A whole file."""
    fields = FIELDS.pack(MAGIC, *astuple(header))
    body = labels + words.astype("<u4").tobytes()
    return fields + digest(fields + body, CHECK) + body


def unpack(content: bytes) -> tuple[Header, bytes]:
    """The header of a file, and what follows it.

    Raises:
        UserError: if it is no such file, or not as it was written.
    """
    if content[: len(MAGIC)] != MAGIC:
        known = content[:3] == MAGIC[:3] and len(content) > 3
        raise UserError(
            f"of version {content[3]} of the format, this is version {MAGIC[3]}"
            if known
            else "no file of `pixelcnn compress`, or its beginning is damaged"
        )
    if len(content) < HEADER:
        raise UserError("cut short: it ends within its header")
    fields, check, body = content[: FIELDS.size], content[FIELDS.size : HEADER], content[HEADER:]
    if digest(fields + body, CHECK) != check:
        raise UserError("damaged or cut short: its checksum is wrong")
    return Header(*FIELDS.unpack(fields)[1:]), body


def label_bytes(images: int, classes: int | None) -> int:
    """Bytes that the labels of so many images take."""
    return -(-images * _bits(classes) // 8)


def pack_labels(labels: NDArray[np.int64] | None, classes: int | None) -> bytes:
    """Labels [N], as many bits each as number the classes, the highest first."""
    if labels is None:
        return b""
    shifts = np.arange(_bits(classes))[::-1]
    return np.packbits((labels[:, None] >> shifts) & 1).tobytes()


def unpack_labels(content: bytes, images: int, classes: int | None) -> NDArray[np.int64] | None:
    """The labels [N] in the first bytes of `content`; None of an unconditional model.

    Raises:
        UserError: if one is none of the classes.
    """
    if classes is None:
        return None
    bits, taken = _bits(classes), content[: label_bytes(images, classes)]
    flat = np.unpackbits(np.frombuffer(taken, np.uint8), count=images * bits)
    labels: NDArray[np.int64] = flat.reshape(images, bits).astype(np.int64) @ (1 << np.arange(bits)[::-1])
    if (labels >= classes).any():
        raise UserError(f"a label is {labels.max()}, the model knows 0..{classes - 1}")
    return labels


def unpack_words(content: bytes) -> NDArray[np.uint32]:
    """The words of the coder.

    Raises:
        UserError: if they are no whole words.
    """
    if len(content) % 4:
        raise UserError("damaged: it does not end with a whole word")
    return np.frombuffer(content, "<u4").astype(np.uint32)


def _bits(classes: int | None) -> int:
    return 0 if classes is None else (classes - 1).bit_length()
