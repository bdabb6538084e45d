"""One optimizer step of several seeds at once: their networks as one, for a GPU that one of them leaves idle.

A network that is small is a row of short operations, and a GPU waits for the next one most of the time. The
weights of k seeds lie in common tensors here, [k, ...], and each operation is that of all k: `vmap` makes one
grouped convolution of k convolutions. Nothing is summed or compared across seeds, so the step of each means
what `TrainingStep` means: its own images, loss, gradient norm, optimizer and averaged weights; a seed whose
loss is NaN leaves the others as they are.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.training.average import ema_decay
from pixelcnn.training.optimizers import gradients_of, learning_rate_factor, make_optimizer, matrices_of
from pixelcnn.training.step import Step

#: How the names of a likelihood's weights begin among those of its model.
LIKELIHOOD = "likelihood."
#: As `nn.utils.clip_grad_norm_` has it.
CLIP_EPSILON = 1e-6


class Stack:
    """Networks of one architecture whose parameters and buffers are slices of common tensors, [k, ...].

    What changes the one changes the other: the networks stay what they are, and can be run or loaded alone.
    """

    def __init__(self, models: Sequence[AutoregressiveModel]) -> None:
        self.models = list(models)
        self.parameters = {name: self._joined(name) for name, _ in models[0].named_parameters()}
        for name, own in models[0].named_parameters():
            self.parameters[name].requires_grad_(own.requires_grad)
        self.buffers = {name: self._joined(name) for name, _ in models[0].named_buffers()}
        saved = models[0].state_dict()
        #: The buffers that a checkpoint holds.
        self.kept = [value for name, value in self.buffers.items() if name in saved]

    def _joined(self, name: str) -> Tensor:
        """The tensors of this name in one, whose slices they are from now on."""
        of_each = [_named(model, name) for model in self.models]
        order = _as_in_memory(of_each[0])  # which stays theirs, such as channels last
        back = [0, *(1 + order.index(dim) for dim in range(len(order)))]
        joined = torch.stack([value.detach().permute(order) for value in of_each]).permute(back)
        for value, own in zip(of_each, joined, strict=True):
            value.data = own
        return joined


def _as_in_memory(value: Tensor) -> list[int]:
    """The dimensions of a tensor, the one whose numbers lie furthest apart first."""
    strides = value.stride()
    return sorted(range(value.ndim), key=lambda dim: -strides[dim])


def _named(model: AutoregressiveModel, name: str) -> Tensor:
    path, _, last = name.rpartition(".")
    value: Tensor = getattr(model.get_submodule(path), last)
    return value


class StackedStep:
    """One optimizer step of each of k seeds of one variant.

    The networks are given as `TrainingStep` is given one, on one device, and are a `Stack` from then on.
    Layers that draw, such as dropout, draw for each seed its own, but not what they would draw for it alone.
    """

    def __init__(
        self,
        models: Sequence[AutoregressiveModel],
        spec: TrainingSpec,
        total: int,
        precision: str,
    ) -> None:
        self.spec, self.precision = spec, precision
        self.total, self.done = total, 0
        averaged = [copy.deepcopy(model).eval().requires_grad_(False) for model in models]
        self.stack, self.ema = Stack(models), Stack(averaged)
        self.ema_updates = 0
        self.trained = {k: v for k, v in self.stack.parameters.items() if v.requires_grad}
        self.optimizer = make_optimizer(self.trained, matrices_of(models[0]), spec)

    def __call__(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Train on x int64 [k, N, C, H, W] and y int64 [k, N] or None.

        Returns the NLL in nats per image and the gradient norm of each seed, both [k].
        """
        nats = self._nats(x, y)
        norms = torch.zeros_like(nats)
        if self.trained:  # else the weights are what they should be
            # The loss is nats per dimension, so that clipping means the same at every image size.
            loss = nats / x[0, 0].numel()
            loss.backward(torch.ones_like(loss))
            gradients = gradients_of(self.trained)
            norms = clip_each(list(gradients.values()), self.spec.gradient_clip)
            self.optimizer.step(gradients, self._factor())
        self.done += 1
        self._average()
        return nats.detach(), norms

    def _nats(self, x: Tensor, y: Tensor | None) -> Tensor:
        """The NLL of each seed's images, [k]."""
        labels = None if y is None else 0
        of_each = vmap(self._nats_of_one, in_dims=(0, 0, 0, labels), randomness="different")
        with _no_warning_of_loops():
            nats, replaced = of_each(self.stack.parameters, self.stack.buffers, x, y)
        with torch.no_grad():
            for name, value in replaced.items():
                self.stack.buffers[name].copy_(value)
        result: Tensor = nats
        return result

    def _nats_of_one(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The NLL of one seed's images, and the buffers that a layer replaced by other tensors."""
        values = {**parameters, **buffers}
        bfloat16 = self.precision == "bfloat16"
        with (
            torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16),
            _Bfloat16() if bfloat16 else nullcontext(),
        ):
            params = functional_call(self.stack.models[0], values, (x, y))
        own = {k.removeprefix(LIKELIHOOD): v for k, v in values.items() if k.startswith(LIKELIHOOD)}
        log_prob = functional_call(self.stack.models[0].likelihood, own, (params, x))
        return -log_prob.sum(dim=(1, 2)).mean(), {
            name: values[name] for name, own in buffers.items() if values[name] is not own
        }

    def _factor(self) -> float:
        return learning_rate_factor(self.done, self.total, self.spec.warmup_steps)

    @torch.no_grad()
    def _average(self) -> None:
        weight = 1 - ema_decay(self.ema_updates, self.spec.ema_decay)
        averaged, current = (list(stack.parameters.values()) for stack in (self.ema, self.stack))
        torch._foreach_lerp_(averaged, current, weight)
        for average, now in zip(self.ema.kept, self.stack.kept, strict=True):
            average.copy_(now)
        self.ema_updates += 1

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return self.spec.learning_rate * self._factor()

    def state(self, seed: int) -> dict[str, Any]:
        """That of a seed's `TrainingStep`, which can go on from it."""
        own = {
            "model": self.stack.models[seed].state_dict(),
            "ema": self.ema.models[seed].state_dict(),
            "ema_updates": self.ema_updates,
            "optimizer": self.optimizer.state(seed),
            "done": self.done,
        }
        # Written to a file, a slice would bring along the tensor of all seeds.
        copied: dict[str, Any] = tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, own)
        return copied

    def restore(self, state: dict[str, Any], seed: int) -> None:
        """Take over the state of a seed, or of its `TrainingStep`; all must have done as many steps."""
        self.stack.models[seed].load_state_dict(state["model"])
        self.ema.models[seed].load_state_dict(state["ema"])
        self.optimizer.restore(state["optimizer"], seed)
        self.done, self.ema_updates = state["done"], state["ema_updates"]


class Part:
    """What is one seed's of a stacked step; takes no step alone."""

    def __init__(self, whole: StackedStep, seed: int) -> None:
        self.whole, self.seed = whole, seed
        self.spec, self.precision, self.total = whole.spec, whole.precision, whole.total

    @property
    def done(self) -> int:
        return self.whole.done

    @property
    def model(self) -> AutoregressiveModel:
        return self.whole.stack.models[self.seed]

    @property
    def averaged(self) -> AutoregressiveModel:
        return self.whole.ema.models[self.seed]

    @property
    def learning_rate(self) -> float:
        return self.whole.learning_rate

    def state(self) -> dict[str, Any]:
        return self.whole.state(self.seed)

    def restore(self, state: dict[str, Any]) -> None:
        self.whole.restore(state, self.seed)


def stacked(steps: Sequence[Step]) -> list[Part]:
    """One step in the place of several of one variant, of seeds that have done as many; its part for each.

    Takes over where they are, be they `TrainingStep`s or parts of other stacks. Their networks are those of
    the new one from then on.
    """
    states, first = [step.state() for step in steps], steps[0]
    models = [step.model for step in steps]
    whole = StackedStep(models, first.spec, first.total, first.precision)
    parts = [Part(whole, seed) for seed in range(len(steps))]
    for part, state in zip(parts, states, strict=True):
        part.restore(state)
    return parts


@torch.no_grad()
def clip_each(gradients: Sequence[Tensor], limit: float) -> Tensor:
    """Scale the gradients [k, ...] of each of k seeds to a norm of at most `limit`; the norms [k] before."""
    of_tensors = [torch.linalg.vector_norm(_columns(value), dim=1) for value in gradients]
    norms: Tensor = torch.linalg.vector_norm(torch.stack(of_tensors), dim=0)
    factors = torch.clamp(limit / (norms + CLIP_EPSILON), max=1.0)
    torch._foreach_mul_(
        list(gradients), [factors.to(value.dtype).view(-1, *[1] * (value.ndim - 1)) for value in gradients]
    )
    return norms


def _columns(value: Tensor) -> Tensor:
    """[k, ...] -> [k, n], the n in the order in which they lie in memory."""
    rest = [1 + dim for dim in _as_in_memory(value[0])]
    return value.permute(0, *rest).reshape(len(value), -1)


class _Bfloat16(TorchFunctionMode):
    """What autocast does for convolutions, of which it knows nothing once `vmap` has taken them apart."""

    FUNCTIONS = (torch.conv1d, torch.conv2d, torch.conv3d, F.linear, F.scaled_dot_product_attention)

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in self.FUNCTIONS:
            args, kwargs = tree_map(_lower, (args, kwargs))
        return function(*args, **(kwargs or {}))


def _lower(value: Any) -> Any:
    is_float32 = isinstance(value, Tensor) and value.dtype == torch.float32
    return value.to(torch.bfloat16) if is_float32 else value


@contextmanager
def _no_warning_of_loops() -> Iterator[None]:
    """`vmap` warns where it computes seed after seed, as attention on a CPU: that is no slower than alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        yield
