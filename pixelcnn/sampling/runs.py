"""Drawing a batch along a schedule, on memory and with work that the next batch of its kind uses again."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pixelcnn.incremental.errors import form_of
from pixelcnn.incremental.execution import Execution
from pixelcnn.incremental.memory import Call, Fronts, Window, picked, put
from pixelcnn.incremental.schedules import Rows, Schedule
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.sampling.replay import Recorder, Work, uncollected
from pixelcnn.sampling.request import Drawn, OnStep, Request
from pixelcnn.system import devices
from pixelcnn.system.errors import RunFailed

#: From so many images on the arithmetic of a pass outweighs the cost of starting it.
MANY = 64


class Run:
    """Draws requests that differ from the first one in noise, labels, given and kept pixels alone."""

    def __init__(
        self,
        model: AutoregressiveModel,
        likelihood: Likelihood,
        schedule: Schedule,
        delay: int,
        request: Request,
    ) -> None:
        """`delay` is that of the parameters: 0 if no pixel needs another of its front, else 1."""
        self._model, self._likelihood, self._schedule = model, likelihood, schedule
        self._images_count, channels, *_ = request.noise.shape
        self._given_rows, self._temperature = request.given.shape[2], request.temperature
        self._labels = None if request.labels is None else request.labels.clone()
        program, parameters = model.bind(schedule, self._images_count, self._labels)
        self._network = Execution(program, program.align(parameters, delay))
        like = program.like
        levels = torch.arange(model.image.levels, device=like.device)
        self._reals = model.scaled(levels, like.dtype)
        self._recorder = Recorder(request.noise.device)
        self._noise = Fronts(schedule, self._images_count, channels, request.noise)
        self._images = Fronts(schedule, self._images_count, channels, request.given)
        self._kept: Fronts | None = None
        if request.kept is not None:
            self._kept = Fronts(schedule, self._images_count, channels, request.kept)
        self._recorded: Fronts | None = None
        if request.with_parameters:
            self._recorded = Fronts(schedule, self._images_count, model.parameters_per_pixel, like)
        self._steps: list[Work] = []

    def draw(self, request: Request, on_step: OnStep) -> Drawn:
        """The images of a request."""
        # The first batch prepares the work of all, much of it as it comes to it.
        with contextlib.nullcontext() if self._steps else uncollected():
            self._draw(request, on_step)
        return Drawn(self._images.by_image(), self._recorded.by_image() if self._recorded else None)

    def _draw(self, request: Request, on_step: OnStep) -> None:
        first, last = self._network.first_step, self._schedule.steps
        with self._blaming_layers():
            self._load(request)
            if not self._steps:
                self._steps = [self._recorder.record(self._step(step)) for step in range(first, last)]
        for step, run in enumerate(self._steps, start=first):
            with self._blaming_layers():
                run()
                self._complete(step)
            if step >= 0:
                on_step(step + 1, last)

    @contextlib.contextmanager
    def _blaming_layers(self) -> Iterator[None]:
        """What fails here is a layer's operation; memory that runs out is for the caller to explain."""
        ran_out: BaseException | None = None
        with form_of(f"{type(self._model).__name__}, drawing with the incremental form of its network"):
            try:
                with devices.out_of_memory("draw fewer images together"):
                    yield
            except RunFailed as error:
                ran_out = error.__cause__
        if ran_out is not None:
            raise ran_out

    def _load(self, request: Request) -> None:
        if self._labels is not None:
            assert request.labels is not None
            self._labels.copy_(request.labels)
        images = torch.zeros_like(request.noise, dtype=torch.long)
        images[:, :, : self._given_rows] = request.given
        self._noise.fill(request.noise)
        self._images.fill(images)
        if self._kept is not None and request.kept is not None:
            self._kept.fill(request.kept)
        self._network.begin()

    def _step(self, step: int) -> Iterator[Call]:
        """The work of a step that is the same for every batch."""
        raise NotImplementedError

    def _complete(self, step: int) -> None:
        """The work that is not."""

    def _show(self, window: Window) -> Call:
        """Have the network see the pixels of a window."""
        images, seen = self._images.view(window), self._seen(window)
        return lambda: seen.copy_(self._scaled(images))

    def _seen(self, window: Window) -> Tensor:
        """Where the network sees pixels: [pixels, N, C]."""
        return self._network.canvas.view(window)[:, :, 0, : self._model.image.channels]

    def _scaled(self, pixels: Tensor) -> Tensor:
        return self._reals[pixels]

    def _sampled(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """Pixels [pixels, N, C] from their parameters [pixels · N, P] and noise [pixels, N, C]."""
        flat = noise.reshape(len(parameters), -1, 1, 1)
        pixels = self._likelihood.sample(parameters[:, :, None, None], flat, self._temperature)
        return pixels.view(noise.shape)

    def _with_kept(self, pixels: Tensor, window: Window) -> Tensor:
        """Pixels [pixels, N, C] that were drawn for a window, those to be kept in their places."""
        if self._kept is None:
            return pixels
        kept = picked(self._kept.view(window.whole), window.images, 1)
        return torch.where(kept < 0, pixels, kept)

    def _recording(self, window: Window) -> Iterator[Call]:
        """Keep the parameters of a window, if they are wanted."""
        if self._recorded is not None:
            place, parameters = self._recorded.view(window.whole), self._network.output(window)
            new = parameters.view(len(place), -1, place.shape[2])
            yield lambda: put(place, new, window.images, 1)


class WavefrontRun(Run):
    """Every pixel once, a front in each step; a line is a row."""

    def _step(self, step: int) -> Iterator[Call]:
        yield from self._network.advance(step)
        window = Window(step, *self._schedule.span(max(0, step)))
        if step < 0 or window.first >= window.end:
            return
        yield from self._recording(window)
        drawn = Window(step, max(window.first, self._given_rows), window.end)
        if drawn.first < drawn.end:
            parameters = self._network.output(window)[(drawn.first - window.first) * self._images_count :]
            images, noise = self._images.view(drawn), self._noise.view(drawn)
            yield lambda: images.copy_(self._with_kept(self._sampled(parameters, noise), drawn))
        yield self._show(window)


class RowsRun(Run):
    """A row in each step: drawn again and again, until what is drawn is what it was drawn from.

    On a CPU each time only from the first feature on that sees a change, and for images that have
    changed; on a GPU a pass over the whole row is one captured graph.
    """

    _schedule: Rows
    _changed: Tensor

    def __init__(
        self,
        model: AutoregressiveModel,
        likelihood: Likelihood,
        schedule: Rows,
        delay: int,
        request: Request,
        ahead: int,
        pixel_by_pixel: bool = False,
    ) -> None:
        """`ahead`: 0 if features see no pixel but earlier ones, 1 if also their own, 2 also the next ...

        `pixel_by_pixel` draws each pixel after all before it, so that none is drawn again: where features see
        earlier pixels only.
        """
        super().__init__(model, likelihood, schedule, delay, request)
        self._ahead = ahead
        self._narrows = not self._recorder.captures
        #: What draws the part of a row that begins at a column.
        self._parts: dict[tuple[int, int], Work] = {}
        # Parts of a row need fewer pixels drawn again, but more passes; what a pass costs beyond its
        # arithmetic counts less in larger batches, and on a GPU most.
        parts = 3 if self._narrows and ahead <= 1 and self._images_count >= MANY else 1
        #: Whether a part is one pixel, which depends on none that comes later.
        self._once = pixel_by_pixel and not ahead
        if not self._once:
            self._changed = torch.zeros(
                schedule.width, self._images_count, dtype=torch.bool, device=request.noise.device
            )
        self._together = 1 if self._once else math.ceil(schedule.width / parts)

    def _step(self, step: int) -> Iterator[Call]:
        yield from self._network.advance(step, up_to=0)  # the rest is done by passes over the row
        if step < 0:
            return
        row = Window(step, 0, self._schedule.width)
        if step < self._given_rows:
            yield self._show(row)
            yield from self._network.iterate(row)
            yield from self._recording(row)
            return
        if step > 0:
            images, above = self._images.view(row), self._images.view(Window(step - 1, 0, row.end))
            yield lambda: images.copy_(above)
        yield self._show(row)

    def _complete(self, step: int) -> None:
        if step < self._given_rows:
            return
        width = self._schedule.width
        for first in range(0, width, self._together):
            self._settle(Window(step, first, min(width, first + self._together)))

    def _settle(self, part: Window) -> None:
        """Draw a part of a row again and again, until nothing changes."""
        if self._once:
            self._draw_part(part)
            return
        # Each pass settles one more pixel at least; rounding may undo a few.
        window, left = part, 2 * (part.end - part.first) + 10
        while window.first < window.end:
            if not left:
                raise RuntimeError("a row never settles, since a pixel depends on itself or on a later one")
            if window.images is None and window.first == part.first:
                self._draw_part(part)
            else:
                for call in self._pass(window):
                    call()
            window, left = self._unsettled(window), left - 1

    def _draw_part(self, part: Window) -> None:
        """Draw a part of a row, of all images: that comes again with every batch."""
        key = part.front, part.first
        if key not in self._parts:
            self._parts[key] = self._recorder.record(self._pass(part))
        self._parts[key]()

    def _unsettled(self, window: Window) -> Window:
        """What must be drawn again after a window was; it is empty if nothing need be."""
        # The last pixel of a row changes nothing in the row, unless features see it.
        changed = self._changed_of(window, window.end - (self._ahead == 0))
        if not self._narrows:
            return window if changed.any() else Window(window.front, window.end, window.end)
        flags = changed.numpy()  # faster than torch for so few
        columns = flags.any(axis=1)
        if not columns.any():
            return Window(window.front, window.end, window.end)
        moved = np.flatnonzero(flags.any(axis=0))
        images = None
        if len(moved) < 0.7 * self._images_count:  # picking costs copies
            images = torch.from_numpy(moved)
            images = images if window.images is None else window.images[images]
        first = max(0, window.first + int(columns.argmax()) + 1 - self._ahead)
        return Window(window.front, first, window.end, images)

    def _changed_of(self, window: Window, end: int) -> Tensor:
        """Which pixels of a window, up to a column, the last draw has changed: bool [pixels, images]."""
        images = self._images_count if window.images is None else window.images.shape[0]
        return self._changed[window.first : end, :images]

    def _pass(self, window: Window) -> Iterator[Call]:
        """Draw a window from its pixels as they are, and note which have changed."""
        yield from self._network.iterate(window)
        yield from self._recording(window)
        parameters, whole = self._network.output(window), window.whole
        images, noise, seen = self._images.view(whole), self._noise.view(whole), self._seen(whole)
        chosen = window.images
        changed = None if self._once else self._changed_of(window, window.end)

        def draw() -> None:
            pixels = self._with_kept(self._sampled(parameters, picked(noise, chosen, 1)), window)
            if changed is not None:
                changed.copy_((pixels != picked(images, chosen, 1)).any(2))
            put(images, pixels, chosen, 1)
            put(seen, self._scaled(pixels), chosen, 1)

        yield draw
