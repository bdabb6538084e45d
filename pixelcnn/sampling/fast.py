"""The fast sampler: exact, in about the time of one forward pass, for any network of causal layers.

It runs the incremental form of a network front by front, so that every activation is computed once
and kept. Two schedules, chosen by what the layers allow and by the number of images:

- wavefront: all pixels with equal column + skew · row at once. The skew is the smallest that puts
  every pixel after those it depends on; it follows from the layers' taps.
- rows, for networks that need the whole of the rows above: the pixels of a row are first guessed (as
  those of the row above), then all drawn at once from what the guess gives, and again with what was
  drawn, until nothing changes. As every pixel's noise is fixed, what is left is what pixel by pixel
  would have drawn (Wiggers and Hoogeboom 2020, "Predictive Sampling with Forecasting Autoregressive
  Models", section 2). Images that have settled are left out, and so are the pixels before the first change.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pixelcnn.layers.incremental import Program, Stream, Use
from pixelcnn.layers.memory import Canvas, Window
from pixelcnn.layers.schedules import Rows, Schedule, Wavefront
from pixelcnn.layers.symbols import NoForm
from pixelcnn.likelihoods import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling.request import Drawn, OnStep, Request

#: The orders that can be asked for; which is faster depends on the layers and on the number of images.
Order = Literal["wavefront", "rows"]
ORDERS: tuple[Order, ...] = ("wavefront", "rows")
#: A skew above this one is not looked for.
SKEW_LIMIT = 100_000


class FastSampler:
    """Draws images from a model; holds what it needs for a batch size and makes it anew for another.

    Raises:
        NoForm: if a part of the model's network has no incremental form.
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        likelihood: Likelihood,
        order: Order | None = None,
    ) -> None:
        self._model, self._likelihood, self._order = model, likelihood, order
        self._skew = self._smallest_skew()

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
        return self._model.bind(schedule, 0, self._labels(0))[1].lateness <= 0

    def _labels(self, images: int) -> Tensor | None:
        if self._model.image.classes is None:
            return None
        return torch.zeros(images, dtype=torch.long, device=next(self._model.parameters()).device)

    def _schedule(self, images: int) -> Schedule:
        height, width = self._model.image_shape[1:]
        rows = self._order == "rows" or (self._order is None and self._skew > width // 2)
        return Rows(height, width) if rows else Wavefront(height, width, self._skew)

    @torch.inference_mode()
    def draw(self, request: Request, on_step: OnStep = lambda done, total: None) -> Drawn:
        """The images of a request."""
        schedule = self._schedule(len(request.noise))
        y = self._labels(len(request.noise))
        program, parameters = self._model.bind(schedule, len(request.noise), y)
        if y is not None and request.labels is not None:
            y.copy_(request.labels)
        batch = _Batch(self._model, self._likelihood, program, request)
        if isinstance(schedule, Rows):
            _draw_rows(batch, program.align(parameters, 1), on_step)
        else:
            _draw_fronts(batch, program.align(parameters, 0), on_step)
        return Drawn(batch.images.values.permute(1, 3, 0, 2), batch.parameters.values.permute(1, 3, 0, 2))


class _Batch:
    """The images of a request while they are drawn."""

    def __init__(
        self, model: AutoregressiveModel, likelihood: Likelihood, program: Program, request: Request
    ) -> None:
        n, _, height, width = request.noise.shape
        self.model, self.likelihood, self.program, self.request = model, likelihood, program, request
        self.given_rows = request.given.shape[2]
        start = torch.zeros(request.noise.shape, dtype=torch.long, device=request.noise.device)
        start[:, :, : self.given_rows] = request.given
        schedule = program.schedule
        self.noise, self.images = Canvas(schedule, request.noise), Canvas(schedule, start)
        blank = next(model.parameters()).new_zeros(n, model.parameters_per_pixel, height, width)
        self.parameters = Canvas(schedule, blank)

    def drawn(self, window: Window, parameters: Tensor) -> Tensor:
        """Pixels [pixels · N, C] from their parameters [pixels · N, P]."""
        self.parameters.write(window, parameters)
        noise = self.noise.read(window)
        return self.likelihood.sample(
            parameters[:, :, None, None], noise[:, :, None, None], self.request.temperature
        )[:, :, 0, 0]

    def put(self, window: Window, pixels: Tensor) -> None:
        """Have the network see these pixels."""
        self.images.write(window, pixels)
        self.show(window, pixels)

    def show(self, window: Window, pixels: Tensor) -> None:
        """Put pixels where the network sees them."""
        self.program.canvas.write(window, self.model.scaled(pixels, self.parameters.values.dtype))


def _draw_fronts(batch: _Batch, parameters: Stream, on_step: OnStep) -> None:
    program, schedule = batch.program, batch.program.schedule
    use = parameters.use()
    program.begin()
    for step in range(program.first_step, schedule.steps):
        program.advance(step)
        window = Window(step, *schedule.span(max(0, step)))
        if step < 0 or window.first == window.end:
            continue
        pixels = batch.drawn(window, use.take())
        known = batch.given_rows - window.first
        if known > 0:  # lines are rows
            images = len(batch.request.noise)
            pixels[: known * images] = batch.images.read(window)[: known * images]
        batch.put(window, pixels)
        on_step(step + 1, schedule.steps)


def _draw_rows(batch: _Batch, parameters: Stream, on_step: OnStep) -> None:
    program, schedule = batch.program, batch.program.schedule
    use = parameters.use()
    program.begin()
    for step in range(program.first_step, schedule.steps):
        program.advance(step)
        if step < 0:
            continue
        row = Window(step, 0, schedule.width)
        if step < batch.given_rows:
            batch.show(row, batch.images.read(row))
            program.iterate(row)
            batch.drawn(row, use.take())
        else:
            batch.put(row, batch.images.read(Window(max(0, step - 1), 0, schedule.width)).clone())
            _settle(batch, use, row)
        on_step(step + 1, schedule.steps)


def _settle(batch: _Batch, use: Use, row: Window) -> None:
    """Draw a row again and again, until what is drawn is what it was drawn from."""
    n, window = len(batch.request.noise), row
    while window.first < window.end:
        batch.program.iterate(window)
        pixels = batch.drawn(window, use.take())
        lines = window.end - window.first
        changed = (pixels != batch.images.read(window)).any(1).view(lines, -1)
        batch.put(window, pixels)
        # The last pixel of a row changes nothing in the row.
        changed = changed[:-1]
        if not changed.any():
            return
        first = window.first + int(changed.any(1).int().argmax()) + 1
        moved = changed.any(0).nonzero()[:, 0]
        images = moved if window.images is None else window.images[moved]
        # Picking images costs copies; it pays where enough of them have settled.
        window = Window(row.front, first, row.end, images if len(images) < 0.7 * n else None)
