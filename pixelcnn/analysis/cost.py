"""What a variant costs: seconds of a training step, of a forward pass and of drawing images.

Measured in rounds that take turns, so that a machine that is slower for a while is so for all three. That
nothing else runs meanwhile is up to whoever calls; the workflow gives the job every core.
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pixelcnn.config.budget import Budget
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.prepared import PreparedData
from pixelcnn.evaluation.likelihoods import BATCH_SIZE
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.models.size import size_of
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.records import Cost
from pixelcnn.sampling.api import make_sampler
from pixelcnn.sampling.request import Request
from pixelcnn.system import devices, provenance
from pixelcnn.system.seeding import pixel_noise
from pixelcnn.training.batches import Batches
from pixelcnn.training.step import TrainingStep
from pixelcnn.training.timing import seconds_of, timed_step

#: Images that are drawn, and that a forward pass is over; of large ones no more than an evaluation takes.
IMAGES = 64
#: Rounds, or fewer where one takes longer than so many seconds.
ROUNDS, FEWER_ROUNDS, LONG_ROUND = 5, 3, 3.0
#: In a round each work is repeated for about so many seconds: shorter times are mostly noise.
SECONDS = 0.25
#: The second batch of a sampler is where a GPU captures its work.
WARM_UP = 3


def measure_cost(trained: Checkpoint, data: PreparedData, device: torch.device, precision: str) -> Cost:
    """Time a variant by one of its runs, which was trained in this precision; takes some seconds.

    Raises:
        RunFailed: if memory runs out, naming what would take less.
    """
    devices.exact_float32()
    model, likelihood = trained.model()
    model.to(device)
    recipe = trained.spec.training
    n = min(IMAGES, model.image.at_once(BATCH_SIZE))
    works = []
    with devices.out_of_memory(devices.smaller("training.batch_size", recipe.batch_size)):
        works.append(_warm(_step(model, trained.spec, data, precision), device))
    with devices.out_of_memory(f"evaluating and drawing {n} images together; {devices.SMALLER_STILL}"):
        works.append(_warm(_evaluation(model, data, n), device))
        works.append(_warm(_sampling(model, likelihood, n), device))
    steps, evaluations, samplings = _rounds(works, device)
    parameters, multiply_adds = size_of(model)
    return Cost(
        digest=trained.spec.digest,
        device=devices.device_name(device),
        threads=torch.get_num_threads(),
        precision=precision,
        batch_size=recipe.batch_size,
        parameters=parameters,
        multiply_adds=multiply_adds,
        step_seconds=steps,
        evaluation_seconds=evaluations,
        sampling_seconds=samplings,
        sampling_images=n,
        peak_memory_bytes=devices.peak_memory_bytes(device),
        commit=provenance.commit(),
        host=platform.node(),
    )


def step_seconds(specs: Sequence[RunSpec], device: torch.device, automatic: str) -> list[list[float]]:
    """Seconds of a training step of each run, of networks as they begin, in rounds that take turns.

    `automatic` is the precision of those with `auto`.

    Raises:
        RunFailed: if memory runs out: all networks are in it together.
    """
    devices.exact_float32()
    works = []
    for spec in specs:
        asked = spec.training.precision
        step = timed_step(spec, automatic if asked == "auto" else asked, device)
        with devices.out_of_memory(devices.smaller("training.batch_size", spec.training.batch_size)):
            works.append(_warm(step, device))
    return _rounds(works, device)


def _step(
    model: AutoregressiveModel,
    spec: RunSpec,
    data: PreparedData,
    precision: str,
) -> Callable[[], object]:
    """A training step on the first batch, as `fit` does it, of a copy of the model."""
    device = next(model.parameters()).device
    copied = copy.deepcopy(model).to(memory_format=torch.channels_last).train()
    batches = Batches(data, spec, device)
    budget = Budget.of(spec.training, len(batches.images))
    step = TrainingStep(copied, spec.training, budget.steps, precision)
    x, y = next(batches.epoch())
    return lambda: step(x, y)


def _evaluation(model: AutoregressiveModel, data: PreparedData, n: int) -> Callable[[], object]:
    """A forward pass without gradients over `n` test images, the same again if there are too few."""
    device = next(model.parameters()).device
    test = torch.from_numpy(data.splits["test"].images)
    x = test[torch.arange(n) % len(test)].to(device).long()
    labels = _labels(model, n)

    def evaluate() -> Tensor:
        with torch.no_grad():
            params: Tensor = model(x, labels)
            return params

    return evaluate


def _sampling(model: AutoregressiveModel, likelihood: Likelihood, n: int) -> Callable[[], object]:
    """Drawing `n` images by a sampler that is set up already, as for every batch but the first."""
    device, image = next(model.parameters()).device, model.image
    nothing_given = torch.zeros(n, image.channels, 0, image.width, dtype=torch.long, device=device)
    noise = pixel_noise(0, 0, n, model.image_shape).to(device)
    request = Request(noise, _labels(model, n), nothing_given)
    sampler = make_sampler(model, likelihood)
    return lambda: sampler.draw(request)


def _labels(model: AutoregressiveModel, n: int) -> Tensor | None:
    if model.image.classes is None:
        return None
    return (torch.arange(n) % model.image.classes).to(next(model.parameters()).device)


def _warm(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """The same work, after it was done some times: memory that is too small has run out then."""
    seconds_of(work, device, WARM_UP)
    return work


def _rounds(works: list[Callable[[], object]], device: torch.device) -> list[list[float]]:
    """Seconds of each work, one value a round."""
    repeats = [max(1, int(SECONDS / seconds_of(work, device))) for work in works]
    first = [seconds_of(work, device, n) for work, n in zip(works, repeats, strict=True)]
    one_round = sum(seconds * n for seconds, n in zip(first, repeats, strict=True))
    found = [[seconds] for seconds in first]
    for _ in range((ROUNDS if one_round <= LONG_ROUND else FEWER_ROUNDS) - 1):
        for work, n, times in zip(works, repeats, found, strict=True):
            times.append(seconds_of(work, device, n))
    return found
