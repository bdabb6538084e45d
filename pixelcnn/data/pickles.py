"""Arrays from pickle files in which data sets are published, without executing what a pickle may hold."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What reading a damaged or hostile pickle raises.
DAMAGED = (
    OSError,
    EOFError,
    pickle.UnpicklingError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
)


def _empty(kind: type, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """What numpy's `_reconstruct` does: the values come afterwards."""
    return np.ndarray(shape, dtype)


def _from_buffer(buffer: Any, dtype: Any, shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    return text.encode("latin1")


#: All that pickled arrays of numbers name, in the modules of old and new versions of numpy.
NAMED: Mapping[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _empty for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which arrays do not need")
        return NAMED[module, name]


def read(path: Path) -> Any:
    """Plain data and arrays of numbers.

    Raises:
        One of `DAMAGED`: if it is damaged, or holds anything else.
    """
    with path.open("rb") as file:
        return _Reader(file, encoding="latin1").load()
