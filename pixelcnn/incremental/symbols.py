"""What a network can be called with in the place of features, to learn something about it."""

from __future__ import annotations

from typing import Any, NoReturn


class NoForm(Exception):
    """A part of a network has no reach or no incremental form; says which."""


class Symbol:
    """Stands for features. Causal layers know what to do with it, and symbols can be added.

    Anything else that is done to it raises NoForm.
    """

    @classmethod
    def __torch_function__(cls, function: Any, *_: Any, **__: Any) -> NoReturn:
        name = getattr(function, "__name__", function)
        raise NoForm(f"torch's {name} is called outside of a causal layer")

    def __getattr__(self, name: str) -> NoReturn:
        raise NoForm(f"features are used as a tensor (.{name}) outside of a causal layer")

    def __add__(self, other: Any) -> Any:
        return self.plus(other) if type(other) is type(self) else self._refuse()

    def plus(self, other: Any) -> Any:
        """What stands for the sum with features of the same kind."""
        raise NotImplementedError

    def _refuse(self, *_: Any) -> NoReturn:
        raise NoForm("features are computed with outside of a causal layer, by more than a sum of two")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = (
        _refuse
    )
    __neg__ = __pos__ = __abs__ = __invert__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __getitem__ = __setitem__ = __iter__ = __len__ = __bool__ = __float__ = __int__ = _refuse
