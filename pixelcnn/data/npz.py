"""Arrays in .npz files without the whole of them in memory: written part by part, read by mapping.

An .npz file is a zip of .npy files. Those that are stored as they are, not compressed, can be mapped into
memory: then pages are read when they are looked at, and processes that look at the same share them.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pixelcnn.data.scratch import no_room

#: Bytes before the name of a member, see PKWARE's APPNOTE, 4.3.7: where the lengths of name and extra are.
LOCAL_HEADER, LENGTHS = 30, slice(26, 30)
#: Bytes that are copied at once.
PIECE = 2**22

Shape = tuple[int, ...]


def add(archive: zipfile.ZipFile, name: str, shape: Shape, dtype: Any, parts: Iterable[NDArray[Any]]) -> None:
    """Write an array of this shape, of which `parts` follow each other along the first axis."""
    said = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": tuple(shape),
    }
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, said)
        for part in parts:
            member.write(np.ascontiguousarray(part, dtype).reshape(-1).view(np.uint8).data)


def members(
    path: Path, names: Collection[str] | None = None, *, written_to: bool = False
) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name, or those of these names that it has, mapped.

    Compressed ones are unpacked into a temporary file first.

    They are for reading, and their sums are checked. Those that may be `written_to` are copied where they
    are, page by page, which changes no file; their sums are left to the caller.

    Raises:
        OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile: if it is damaged or holds objects.
        DataError: if there is no room for what is unpacked.
    """
    with zipfile.ZipFile(path) as archive:
        asked = [info for info in archive.infolist() if names is None or _name(info) in names]
        return {_name(info): _array(archive, info, path, written_to) for info in asked}


def outlines(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of the shape and type of those of a file, by name; only headers are read and nothing is held.

    Raises:
        As `members`.
    """
    found = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as stream:
                shape, _, dtype = _header(stream)
            found[_name(info)] = np.broadcast_to(np.zeros((), dtype), shape)
    return found


def _name(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, written_to: bool) -> NDArray[Any]:
    if info.compress_type != zipfile.ZIP_STORED:
        with archive.open(info) as packed, tempfile.TemporaryFile() as file:
            while part := packed.read(PIECE):  # to its end, where zipfile checks the sum
                _write(file, part)
            file.seek(0)
            return _mapped(file, written_to)
    if not written_to:
        with archive.open(info) as stored:
            while stored.read(PIECE):
                pass
    with path.open("rb") as file:
        file.seek(info.header_offset)
        file.seek(sum(np.frombuffer(file.read(LOCAL_HEADER)[LENGTHS], "<u2").tolist()), 1)
        return _mapped(file, written_to)


def _write(file: IO[bytes], part: bytes) -> None:
    try:
        file.write(part)
        file.flush()
    except OSError as error:  # not one of the file that is read, which would be damaged
        raise no_room(error) from error


def _mapped(file: IO[bytes], written_to: bool) -> NDArray[Any]:
    """The array that begins where the file is now."""
    shape, fortran, dtype = _header(file)
    if 0 in shape or not shape:  # no bytes cannot be mapped, and a single number need not be
        return np.frombuffer(file.read(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)
    mode: Any = "c" if written_to else "r"
    return np.asarray(np.memmap(file, dtype, mode, file.tell(), shape, "F" if fortran else "C"))


def _header(stream: IO[bytes]) -> tuple[Shape, bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    readers: Mapping[tuple[int, int], Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"an array of format {version[0]}.{version[1]}")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    return shape, fortran, dtype
