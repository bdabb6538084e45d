"""Arrays from pickle files in which data sets are published, without executing what a pickle may hold."""

from __future__ import annotations

import pickle
import re
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
    MemoryError,
    OverflowError,
)


class _Type:
    """Of a dtype what is needed: its own `__setstate__` would change that of all arrays of this process."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch("[biuf][1248]", code):
            raise pickle.UnpicklingError(f"an array of {code}, not of numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    def __setstate__(self, state: Any) -> None:
        version, shape, kind, *rest = state
        super().__setstate__((version, shape, kind.dtype, *rest))


def _empty(*_: Any) -> NDArray[Any]:
    """What numpy's `_reconstruct` does: shape and values come afterwards."""
    return np.ndarray.__new__(_Array, (0,))


def _from_buffer(buffer: Any, kind: _Type, shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    return np.frombuffer(buffer, kind.dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    return text.encode("latin1")


#: All that pickled arrays of numbers name, in the modules of old and new versions of numpy.
NAMED: Mapping[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
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
