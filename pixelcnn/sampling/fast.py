"""The fast sampler: exact, in the time of one to a few forward passes of a batch, for causal layers.

It runs the incremental form of a network front by front, so that every activation is computed once
and kept. Three orders, chosen by what the layers allow and by the number of images:

- wavefront: all pixels with equal column + skew · row at once. The skew is the smallest that puts
  every pixel after those it depends on; it follows from the layers' taps.
- rows, of one channel, for networks that need the whole of the rows above: the pixels of a row are first
  guessed (as those of the row above), then all drawn at once from what the guess gives, and again with what
  was drawn, until nothing changes. As every pixel's noise is fixed, what is left is what pixel by pixel
  would have drawn (Wiggers and Hoogeboom 2020, "Predictive Sampling with Forecasting Autoregressive
  Models", section 2). On a CPU images that have settled are left out, and so are the pixels before
  the first change.
- pixels: row by row what rows above give, then pixel by pixel the rest: for networks with most of their work
  in a stream that knows whole rows, of many images or in colour.
"""

from __future__ import annotations

import gc
import math
import warnings
from typing import Literal

import torch
from torch import Tensor

from pixelcnn.incremental.errors import NoForm
from pixelcnn.incremental.schedules import Rows, Wavefront
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling.request import Drawn, OnStep, Request
from pixelcnn.sampling.runs import RowsRun, Run, WavefrontRun

#: The orders that can be asked for; which is faster depends on the layers and on the number of images. Where
#: features see their own pixel, as the keys of PixelSNAIL do, "pixels" are rows.
Order = Literal["wavefront", "rows", "pixels"]
ORDERS: tuple[Order, ...] = ("wavefront", "rows", "pixels")
#: From so many images on drawing a pixel takes long enough that none should be drawn again.
SEVERAL = 16
#: A skew above this one is not looked for.
SKEW_LIMIT = 100_000


class FastSampler:
    """Draws images from a model; holds what it needs for a batch size and makes it anew for another.

    Raises:
        NoForm: if a part of the model's network has no incremental form.
        BrokenForm: if a part of it has one that fails.
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        likelihood: Likelihood,
        order: Order | None = None,
        *,
        guesses: bool = True,
    ) -> None:
        """Without `guesses` each pixel is drawn once, from what no later one can change."""
        self._model, self._likelihood, self._order, self._guesses = model, likelihood, order, guesses
        #: That of its wavefront.
        self.skew = self._smallest_skew()
        self._looks_back = self._has_operation_that_looks_back()
        self._run: Run | None = None
        self._kind: tuple[object, ...] = ()

    def _smallest_skew(self) -> int:
        """The smallest skew with which no pixel depends on one of its own front or a later one."""
        low, high = 0, self._model.image.width
        while not self._is_enough(high):
            # Taps that read to the right in finished rows can ask for more than raster order.
            low, high = high + 1, 2 * high
            if high > SKEW_LIMIT:
                raise NoForm(f"no order of pixels was found, up to a skew of {SKEW_LIMIT}")
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._is_enough(middle) else (middle + 1, high)
        return low

    def _is_enough(self, skew: int) -> bool:
        schedule = Wavefront(*self._model.image_shape[1:], skew)
        return self._model.bind(schedule, 0, self._labels(0))[1].delay <= 0

    def _has_operation_that_looks_back(self) -> bool:
        program, _ = self._model.bind(Rows(*self._model.image_shape[1:]), 0, self._labels(0))
        return any(entry.operation.looks_back for entry in program.entries)

    def _ahead(self) -> int:
        """0 if features see no pixel but earlier ones, 1 if some see also their own, 2 also the next ...

        That is their delay in an order in which a front is a pixel, and rows are far apart.
        """
        height, width = self._model.image_shape[1:]
        program, parameters = self._model.bind(
            Wavefront(height, width, max(2 * width, self.skew)), 0, self._labels(0)
        )
        return program.plan(program.align(parameters, 0)).latest

    def _labels(self, images: int) -> Tensor | None:
        if self._model.image.classes is None:
            return None
        return torch.zeros(images, dtype=torch.long, device=next(self._model.parameters()).device)

    def _best_order(self, images: int) -> Order:
        channels, height, width = self._model.image_shape
        fronts = Wavefront(height, width, self.skew).steps
        once = not self._looks_back and not self._ahead()
        several = images >= SEVERAL or channels > 1 or not self._guesses
        if once and fronts > height * width and several:
            return "pixels"
        if not self._guesses:
            return "wavefront"
        # A row is drawn until the slowest image has settled: with trained networks and digits 28x28 one
        # image takes 2.5 passes a row, twice as many about one more. In colour a row takes about as many as
        # it has pixels: few draws are the same by another guess. A pass takes longer than a front.
        of_a_row = 2.5 + math.log2(images) if channels == 1 else width
        return "rows" if height * of_a_row < 0.65 * fronts else "wavefront"

    @torch.inference_mode()
    def draw(self, request: Request, on_step: OnStep = lambda done, total: None) -> Drawn:
        """The images of a request."""
        like = next(self._model.parameters())
        kind = (
            *(request.noise.shape, request.given.shape, request.temperature, request.with_parameters),
            request.kept is None,
            *(like.dtype, like.device, tuple(p.data_ptr() for p in self._model.parameters())),
        )
        if self._run is None or self._kind != kind:
            if self._run is not None:
                self._run = None
                gc.collect()  # its parts know each other; their memory shall be free for the next one
            self._kind, self._run = kind, self._make_run(request)
        with warnings.catch_warnings():
            # An operation puts another shape into the memory it was given: torch would only warn.
            warnings.filterwarnings("error", message="An output with one or more elements was resized")
            return self._run.draw(request, on_step)

    def _make_run(self, request: Request) -> Run:
        order, size = self._order or self._best_order(len(request.noise)), self._model.image_shape[1:]
        if order == "wavefront":
            return WavefrontRun(self._model, self._likelihood, Wavefront(*size, self.skew), 0, request)
        pixel_by_pixel = order == "pixels"
        return RowsRun(self._model, self._likelihood, Rows(*size), 1, request, self._ahead(), pixel_by_pixel)
