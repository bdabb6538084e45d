"""The reference sampler: exact, simple, and one full forward pass a pixel."""

from __future__ import annotations

import torch

from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling.request import Drawn, OnStep, Request


class ReferenceSampler:
    """Draws pixel by pixel from any model: what the fast sampler is held against."""

    def __init__(self, model: AutoregressiveModel, likelihood: Likelihood) -> None:
        self._model, self._likelihood = model, likelihood

    @torch.inference_mode()
    def draw(self, request: Request, on_step: OnStep = lambda done, total: None) -> Drawn:
        """The images of a request. Integers are fed back, exactly what the model was trained on."""
        noise, rows = request.noise, request.given.shape[2]
        _, _, height, width = noise.shape
        x = torch.zeros(noise.shape, dtype=torch.long, device=noise.device)
        x[:, :, :rows] = request.given
        for row in range(rows, height):
            for column in range(width):
                parameters = self._model(x, request.labels)
                pixel = (..., slice(row, row + 1), slice(column, column + 1))
                x[pixel] = self._likelihood.sample(parameters[pixel], noise[pixel], request.temperature)
                if request.kept is not None:
                    x[pixel] = torch.where(request.kept[pixel] < 0, x[pixel], request.kept[pixel])
            on_step(row + 1, height)
        if rows == height:
            parameters = self._model(x, request.labels)
        # The last pass has seen every pixel that any parameter depends on.
        return Drawn(x, parameters)
