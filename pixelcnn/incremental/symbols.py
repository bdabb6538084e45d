"""What a network can be called with in the place of features, to learn something about it."""

from __future__ import annotations

import difflib
from typing import Any, NoReturn

import torch

from pixelcnn.incremental.errors import NoForm


class Symbol:
    """Stands for features. Causal layers know what to do with it, and symbols can be added.

    Whatever else a tensor can do raises NoForm; what not even a tensor has is an AttributeError.
    """

    @classmethod
    def __torch_function__(cls, function: Any, *_: Any, **__: Any) -> NoReturn:
        name = getattr(function, "__name__", function)
        raise NoForm(f"torch's {name} is called outside of a causal layer")

    def __getattr__(self, name: str) -> NoReturn:
        # Python asks for names with two underscores by itself, as in copying: absent is an answer.
        if not name.startswith("__") and hasattr(torch.Tensor, name):
            raise NoForm(f"features are used as a tensor (.{name}) outside of a causal layer")
        known = [own for own in {*dir(type(self)), *self.__dict__} if not own.startswith("_")]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known))}"
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}; {hint}")

    def __add__(self, other: Any) -> Any:
        return self.plus(other) if type(other) is type(self) else self._refuse()

    def plus(self, other: Any) -> Any:
        """What stands for the sum with features of the same kind."""
        raise NotImplementedError

    def beside(self, others: Any) -> Any:
        """What stands for these channels with those of others of the same kind behind them."""
        raise NotImplementedError

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NoForm("features are computed with outside of a causal layer, by more than a sum of two")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = (
        _refuse
    )
    __neg__ = __pos__ = __abs__ = __invert__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __getitem__ = __setitem__ = __iter__ = __len__ = __bool__ = __float__ = __int__ = __array__ = _refuse
