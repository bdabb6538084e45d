"""The fast sampler draws what the reference sampler draws."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from pixelcnn.incremental.errors import NoForm
from pixelcnn.invariants.leaks import random_labels
from pixelcnn.invariants.results import Result, broken, judged, none_by_design
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.request import Request
from pixelcnn.system.seeding import pixel_noise

NAME = "fast sampler"


@torch.no_grad()
def check_fast_sampler(model: AutoregressiveModel, likelihood: Likelihood) -> Iterator[Result]:
    """In every order the fast sampler draws what the reference sampler draws, from the same parameters."""
    before, request = _requests(model)
    try:
        samplers = [(order, FastSampler(model, likelihood, order)) for order in ORDERS]
        expected = ReferenceSampler(model, likelihood).draw(request)
    except NoForm as reason:
        yield none_by_design(NAME, f"sampling takes a full pass for every pixel: {reason}")
        return
    except Exception as error:  # a user's layer may raise anything
        yield broken(NAME, error)
        return
    for order, sampler in samplers:
        name = f"{NAME}, {order}"
        try:
            sampler.draw(before)  # of which nothing may be left
            drawn = sampler.draw(request)
        except Exception as error:
            yield broken(name, error)
            continue
        params = model(drawn.images, request.labels)
        worst = float((drawn.parameters - params).abs().max() / params.abs().max())
        n = len(params)
        same = int((drawn.images == expected.images).flatten(1).all(dim=1).sum())
        detail = f"parameters differ by {worst:.1e}, {same} of {n} images are those of the reference sampler"
        yield judged(name, worst < 1e-9 and same == n, detail)


def _requests(model: AutoregressiveModel) -> tuple[Request, Request]:
    """Two batches of six images with other noise, and other labels if there are such."""
    image, n = model.image, 6
    labels = random_labels(image, n, torch.Generator().manual_seed(6))
    other = None if labels is None or image.classes is None else (labels + 1) % image.classes
    nothing_given = torch.zeros(n, image.channels, 0, image.width, dtype=torch.long)

    def request(seed: int, y: torch.Tensor | None) -> Request:
        return Request(pixel_noise(seed, 0, n, model.image_shape), y, nothing_given, with_parameters=True)

    return request(1, other), request(0, labels)
