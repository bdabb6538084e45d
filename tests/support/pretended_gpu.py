"""A GPU that is none: tensors that say they lie on one, and are computed with by the CPU.

While one is `plugged_in`, a tensor that is moved to `GPU`, or made there, holds its values in memory of the
CPU and says "cuda:1". An operation is refused whose tensors lie on different devices, as on a real GPU, and
stricter than there: an index must lie on the GPU, too, since one on the CPU makes it wait and no graph can
capture it. Unlike torch's FakeTensorMode it has values, so that whole trainings run, their reads and branches
included, and end in what they end in on a CPU. What it cannot show: autocast, and what torch cannot do there.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import pixelcnn
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling.replay import Recorder

#: Not the first one: what is done on "the" GPU instead of on that of the run is seen.
GPU = torch.device("cuda", 1)
PACKAGE = Path(pixelcnn.__file__).parent
aten = torch.ops.aten


class WrongDevice(Exception):
    """Tensors of different devices in one operation, or another GPU than that of the run."""


class OnGpu(Tensor):
    """A tensor that says it lies on the GPU; `value` holds its values."""

    value: Tensor

    @staticmethod
    def __new__(cls, value: Tensor) -> OnGpu:
        # To torch's own C++ code it lies on "meta", for which no driver is asked.
        layout = (value.shape, value.stride(), value.storage_offset())
        self = Tensor._make_wrapper_subclass(cls, *layout, dtype=value.dtype, device="meta")
        self.value = value.detach()
        return self

    @property
    def device(self) -> torch.device:
        return GPU

    @property
    def is_meta(self) -> bool:
        return False

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is Tensor.__getitem__ and isinstance(args[1], list):
            args = (args[0], OnGpu(torch.tensor(args[1])))  # where torch puts it by itself
        with torch._C.DisableTorchFunctionSubclass():
            return function(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(f"{function} on a GPU that is not plugged in any more")

    def data_ptr(self) -> int:
        return self.value.data_ptr()

    def numpy(self, **options: Any) -> Any:
        raise WrongDevice("numpy() of a tensor on the GPU")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copied = self.detach().clone()
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        return memo.setdefault(id(self), copied)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.value.__reduce_ex__(protocol)  # read again as if with map_location="cpu"


class PretendedGpu(TorchDispatchMode):
    """Runs operations where their tensors lie, and counts what goes to the GPU.

    moves: how often each line put a tensor on the GPU, as "file.py:function:line". networks: the devices
    on which models were asked. asked: the calls of `torch.cuda`, in their order. `left_behind` is such a
    line whose tensors stay on the CPU: a planted fault.
    """

    def __init__(self, left_behind: str | None = None) -> None:
        super().__init__()
        self.left_behind = left_behind
        self.moves: Counter[str] = Counter()
        self.networks: set[torch.device] = set()
        self.asked: list[str] = []
        #: Whether weights are being loaded, which may be copied from the CPU.
        self.loads = False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        options = dict(kwargs or {})
        on_gpu = self._is_of_gpu(function, args, options)
        if (asked := options.get("device")) is not None:
            wanted, before = torch.device(asked), on_gpu
            if wanted.type == "cuda" and wanted != GPU:
                raise WrongDevice(f"{function}: asked for {wanted}, the run has {GPU}")
            on_gpu, options["device"] = wanted.type != "cpu", "cpu"
            if wanted == GPU and not before:
                self.moves[line := _line()] += 1
                on_gpu = line != self.left_behind
        wrapped: dict[int, OnGpu] = {}

        def opened(leaf: Any) -> Any:
            if not isinstance(leaf, OnGpu):
                return leaf
            wrapped[id(leaf.value)] = leaf
            return leaf.value

        def closed(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            return wrapped[id(leaf)] if id(leaf) in wrapped else OnGpu(leaf)

        found = function(*_map(opened, args), **{k: _map(opened, v) for k, v in options.items()})
        return _map(closed, found) if on_gpu else found

    def _is_of_gpu(self, function, args, options) -> bool:
        """Whether an operation is one of the GPU; refused if its tensors lie on different devices."""
        given = [leaf for value in (*args, *options.values()) for leaf in _leaves(value)]
        gpu = any(isinstance(leaf, OnGpu) for leaf in given)
        if not gpu or function is aten._to_copy.default or (function is aten.copy_.default and self.loads):
            return gpu
        if all(type(leaf) is not Tensor for leaf in given):
            return True
        schema = function._schema.arguments
        written = {each.name for each in schema if each.alias_info and each.alias_info.is_write}
        named = [*zip((each.name for each in schema), args, strict=False), *options.items()]
        for name, value in named:
            for leaf in _leaves(value):
                # One number of the CPU may be read with anything, but stand in no list.
                if type(leaf) is Tensor and (leaf.ndim or name in written or leaf is not value):
                    shape = list(leaf.shape)
                    raise WrongDevice(f"{function}: {name} {shape} lies on the CPU, others on the GPU")
        return True


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        yield from value
    else:
        yield value


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    """The function of a value, or of each in a list or tuple."""
    if isinstance(value, (list, tuple)):
        return type(value)([_map(function, each) for each in value])
    return function(value)


def _line() -> str:
    """The innermost line of the package, or else of the tests, that is being worked at."""
    frame: FrameType | None = sys._getframe(2)
    outside = "elsewhere"
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        line = f"{path.name}:{frame.f_code.co_name}:{frame.f_lineno}"
        if path.is_relative_to(PACKAGE):
            return f"{path.parent.name}/{line}"
        if path.name.startswith("test_") and outside == "elsewhere":
            outside = line
        frame = frame.f_back
    return outside


@contextlib.contextmanager
def plugged_in(monkeypatch, left_behind: str | None = None) -> Iterator[PretendedGpu]:
    """Have the GPU there for a while."""
    gpu = PretendedGpu(left_behind)
    with monkeypatch.context() as patch:
        _stub_cuda(patch, gpu)
        enter = AutoregressiveModel.enter

        def noting(self, x):
            gpu.networks.add(self._parameter.device)
            return enter(self, x)

        load = torch.nn.Module.load_state_dict

        def loading(self, *args, **options):
            gpu.loads = True
            try:
                return load(self, *args, **options)
            finally:
                gpu.loads = False

        patch.setattr(AutoregressiveModel, "enter", noting)
        patch.setattr(torch.nn.Module, "load_state_dict", loading)
        before = torch._C._only_lift_cpu_tensors()
        overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
        torch._C._set_only_lift_cpu_tensors(True)  # by torch.tensor(..., device=), before they move
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            with gpu:
                yield gpu
        finally:
            torch._C._set_only_lift_cpu_tensors(before)
            torch.__future__.set_overwrite_module_params_on_conversion(overwrite)


def _stub_cuda(patch, gpu: PretendedGpu) -> None:
    """What the package asks of `torch.cuda` is noted, and refused for any GPU but that of the run."""

    def answer(name: str, value: Any = None) -> None:
        def asked(*args: Any, **kwargs: Any) -> Any:
            for given in (*args, *kwargs.values()):
                if isinstance(given, torch.device) and given != GPU:
                    raise WrongDevice(f"torch.cuda.{name}({given}), the run has {GPU}")
            gpu.asked.append(name)
            return value() if callable(value) else value

        patch.setattr(torch.cuda, name, asked)

    state = torch.zeros(16, dtype=torch.uint8)
    stream = SimpleNamespace(wait_stream=lambda other: None)
    answers = {
        **dict.fromkeys(("synchronize", "reset_peak_memory_stats", "set_rng_state", "set_device")),
        "get_rng_state": state.clone,
        "max_memory_allocated": 2**20,
        "get_device_name": "a GPU that is none",
        "is_bf16_supported": False,
        "device": contextlib.nullcontext,
        "graph_pool_handle": (0, 0),
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": contextlib.nullcontext,
    }
    for name, value in answers.items():
        answer(name, value)
    if not torch.cuda.is_available():
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
    # Tensors that wrap others cannot be made in it.
    patch.setattr(torch._C, "_InferenceMode", lambda mode: torch.no_grad())
    patch.setattr(Recorder, "capture", lambda self, run: run)
