"""Optimizers by name, and the schedule of their learning rate.

Not derived from torch's class of optimizers: making one of those imports torch's compiler, in seconds. An
optimizer here works on tensors by their names, which may have a leading dimension for the networks of several
seeds: nothing it computes goes across that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.layers.base import CausalLayer

#: Of Adam (Kingma and Ba 2015, algorithm 1).
BETAS, EPSILON = (0.9, 0.999), 1e-8
#: Of Muon (Jordan et al. 2024): momentum, and the polynomial that pulls singular values towards 1.
MOMENTUM, COEFFICIENTS, ITERATIONS = 0.95, (3.4445, -4.7750, 2.0315), 5

#: Name of a weight [out, in, ...] -> mask of the entries that are used, broadcast to it; None: all are.
Matrices = dict[str, Tensor | None]


def learning_rate_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up over `warmup` steps, then a cosine to zero at `total`; counted in steps."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


class Optimizer(Protocol):
    """Changes the weights that it was made for."""

    def step(self, gradients: Mapping[str, Tensor], factor: float) -> None:
        """One update by the gradients of all weights, at the learning rate times `factor`."""

    def state(self, seed: int | None = None) -> dict[str, Any]:
        """Tensors from which `restore` makes the next step the same.

        With a leading dimension for several seeds that of one of them, which is as it would be for it alone.
        """

    def restore(self, state: dict[str, Any], seed: int | None = None) -> None:
        """Take over what `state` returned."""


class AdamW:
    """Adam (Kingma and Ba 2015), its weight decay decoupled or not (Loshchilov and Hutter 2019)."""

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        learning_rate: float,
        weight_decay: float,
        *,
        decoupled: bool = True,
    ) -> None:
        self.parameters, self.learning_rate, self.weight_decay = parameters, learning_rate, weight_decay
        self._update = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self._mean = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self._square = {name: torch.zeros_like(value) for name, value in parameters.items()}
        devices = {value.device for value in parameters.values()}
        self._steps = [torch.zeros((), device=device) for device in devices]

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor], factor: float) -> None:
        if not self.parameters:
            return
        for steps in self._steps:
            steps += 1
        self._update(
            list(self.parameters.values()),
            [gradients[name] for name in self.parameters],
            list(self._mean.values()),
            list(self._square.values()),
            [],
            self._steps * len(self.parameters),
            lr=self.learning_rate * factor,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self, seed: int | None = None) -> dict[str, Any]:
        mean, square = (
            {name: value if seed is None else value[seed] for name, value in values.items()}
            for values in (self._mean, self._square)
        )
        return {"mean": mean, "square": square, "steps": self._steps}

    def restore(self, state: dict[str, Any], seed: int | None = None) -> None:
        own = self.state(seed)
        for key in ("mean", "square"):
            for name, value in own[key].items():
                value.copy_(state[key][name].to(value.device))
        for steps, saved in zip(own["steps"], state["steps"], strict=True):
            steps.copy_(saved)


class Muon:
    """Momentum whose update is orthogonalised: Jordan et al. 2024, "Muon: an optimizer for hidden layers".

    A filter [out, in, taps ...] is the matrix [out, in · taps]. Its update has singular values near 1, times
    sqrt(max(1, out / inputs)) with the inputs that a mask leaves, so that one learning rate serves filters of
    all shapes. Masked entries stay as they are.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], matrices: Matrices, learning_rate: float, weight_decay: float
    ) -> None:
        self.parameters, self.learning_rate, self.weight_decay = parameters, learning_rate, weight_decay
        self._masks = {name: mask for name, mask in matrices.items() if mask is not None}
        self._scales = {name: _scale(matrix, matrices[name]) for name, matrix in parameters.items()}
        by_shape = sorted(parameters, key=lambda name: (*parameters[name].shape, name))
        #: Filters of the same shape are orthogonalised together.
        self._groups = [
            list(names) for _, names in itertools.groupby(by_shape, lambda name: parameters[name].shape)
        ]
        self._momentum = [torch.zeros_like(self._stacked(parameters, names)) for names in self._groups]

    def _stacked(self, values: Mapping[str, Tensor], names: Iterable[str]) -> Tensor:
        """Filters as matrices [filters, ..., out, in · taps]."""
        return torch.stack([_as_matrix(values[name]) for name in names])

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor], factor: float) -> None:
        rate = self.learning_rate * factor
        for names, momentum in zip(self._groups, self._momentum, strict=True):
            gradient = self._stacked(gradients, names)
            momentum.mul_(MOMENTUM).add_(gradient)
            updates = orthogonalised(gradient.add_(momentum, alpha=MOMENTUM))
            for name, update in zip(names, updates, strict=True):
                weight = self.parameters[name]
                update = update.reshape(weight.shape)
                if name in self._masks:
                    update = update * self._masks[name]
                weight.mul_(1 - rate * self.weight_decay).add_(update, alpha=-rate * self._scales[name])

    def state(self, seed: int | None = None) -> dict[str, Any]:
        # The filters of a group come first, then the seeds.
        return {"momentum": [value if seed is None else value[:, seed] for value in self._momentum]}

    def restore(self, state: dict[str, Any], seed: int | None = None) -> None:
        for own, saved in zip(self.state(seed)["momentum"], state["momentum"], strict=True):
            own.copy_(saved.to(own.device))


class Several:
    """Optimizers of different weights, as one."""

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts

    def step(self, gradients: Mapping[str, Tensor], factor: float) -> None:
        for part in self.parts:
            part.step(gradients, factor)

    def state(self, seed: int | None = None) -> dict[str, Any]:
        return {"parts": [part.state(seed) for part in self.parts]}

    def restore(self, state: dict[str, Any], seed: int | None = None) -> None:
        for part, saved in zip(self.parts, state["parts"], strict=True):
            part.restore(saved, seed)


def _as_matrix(weight: Tensor) -> Tensor:
    """[..., out, in, height, width] -> [..., out, in · height · width]."""
    return weight.flatten(-3)


def _scale(weight: Tensor, mask: Tensor | None) -> float:
    outputs, inputs = _as_matrix(weight).shape[-2:]
    if mask is not None:
        inputs = round(mask.expand(weight.shape[-4:]).float().mean().item() * inputs)
    return math.sqrt(max(1.0, outputs / inputs))


def orthogonalised(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: [..., m, n] with singular values between 0.7 and 1.2.

    Newton-Schulz iteration, in the precision of the matrices.
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x if wide else x.mT
    return result


def matrices_of(model: nn.Module) -> Matrices:
    """The weights of a network that give features, as its layers tell, by their names."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    told = (layer.matrices() for layer in model.modules() if isinstance(layer, CausalLayer))
    return {names[id(weight)]: mask for weight, mask in itertools.chain(*told)}


def gradients_of(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of weights, which let go of them; of one that took no part it is zero."""
    found = {}
    for name, weight in weights.items():
        found[name] = torch.zeros_like(weight) if weight.grad is None else weight.grad
        weight.grad = None
    return found


def make_optimizer(parameters: Mapping[str, Tensor], matrices: Matrices, spec: TrainingSpec) -> Optimizer:
    """The optimizer that a recipe names, over all of these weights.

    Muon takes the `matrices`, see `matrices_of`; what is left goes to AdamW with a learning rate of its own.
    """
    if spec.optimizer != "muon":
        return AdamW(parameters, spec.learning_rate, spec.weight_decay, decoupled=spec.optimizer == "adamw")
    inner = {name: value for name, value in parameters.items() if name in matrices}
    others = {name: value for name, value in parameters.items() if name not in matrices}
    return Several(
        Muon(inner, matrices, spec.learning_rate, spec.weight_decay),
        AdamW(others, spec.adam_learning_rate, spec.weight_decay),
    )
