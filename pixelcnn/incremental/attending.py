"""Attention to earlier pixels: keys and values of all pixels are kept, queries are those of a window."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pixelcnn.incremental.memory import Call, Window, picked, put
from pixelcnn.incremental.operations import NEVER, Operation
from pixelcnn.incremental.program import Stream
from pixelcnn.incremental.schedules import Schedule
from pixelcnn.incremental.workspace import Buffer, Features, Prepared, Workspace

#: Scores computed at once while sampling: on a CPU as many as its cache holds.
SCORES, SCORES_ON_GPU = 1_000_000, 30_000_000


@dataclass(frozen=True)
class Heads:
    """How many heads there are, and the numbers of a key (and of a query) and of a value of each."""

    count: int
    key: int
    value: int


def attend(queries: Stream, keys_and_values: Stream, heads: Heads, *, first: int = 0, strict: bool) -> Stream:
    """What each pixel attends to among earlier pixels and itself, or with `strict` among earlier ones alone.

    Args:
        queries: its first channels are the queries of all heads.
        keys_and_values: from channel `first` on the keys of all heads, and behind them the values.

    Returns:
        The weighted values of all heads, zeros at a pixel that has nothing to attend to.
    """
    program, schedule, stride = queries.program, queries.schedule, queries.stride
    height, width = schedule.height, schedule.width
    pixels, images = height * width, program.images
    keys = Buffer(images, heads.count, heads.key, pixels)
    values = Buffer(images, heads.count, pixels, heads.value)
    remember = Remember(keys_and_values.features, schedule, first, keys, values)
    remembered = program.operation(remember, channels=0)
    # The pixel just before is the one to the left, or the last of the row above.
    before = [schedule.offset(0, -1)[0]] * (width > 1) + [schedule.offset(-1, width - 1)[0]] * (height > 1)
    late = [remembered.delay + stride * offset for offset in (before if strict else [0, *before])]
    # The row above must be there up to its end; then fronts are also neighbours in raster order.
    in_time = height == 1 or width == 1 or schedule.offset(-1, width - 1)[0] <= 0
    delay = max(queries.delay, *late) if late else queries.delay
    like, lines = program.like, schedule.lines
    together = SCORES_ON_GPU if like.is_cuda else SCORES
    operation = Attend(
        queries=(program.align(queries, delay) if in_time else queries).features,
        remembered=remembered.features,
        schedule=schedule,
        heads=heads,
        strict=strict,
        later=Prepared(lambda: like.new_full((lines + 1, lines), -math.inf).triu_()),
        keys=keys,
        values=values,
        scores=Buffer(max(together, heads.count * pixels * lines)),
    )
    return program.operation(operation, heads.count * heads.value, delay if in_time else NEVER)


@dataclass(frozen=True, eq=False)
class Remember(Operation):
    """Keeps the keys and values of a window's pixels; what it gives has no channels.

    `keys` [N, heads, key, H·W] are kept transposed: the products then run along neighbouring numbers.
    `values` are [N, heads, H·W, value].
    """

    x: Features
    schedule: Schedule
    first: int
    keys: Buffer
    values: Buffer

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        start, end = _in_raster(self.schedule, window)
        keys, values = self.keys.value[..., start:end], self.values.value[:, :, start:end]
        count, size = keys.shape[1:3]
        split = self.first + count * size
        features = memory.at(self.x, window).view(end - start, -1, self.x.channels)
        new_keys = features[..., self.first : split].unflatten(2, (count, size)).permute(1, 2, 3, 0)
        new_values = features[..., split:].unflatten(2, (count, -1)).permute(1, 2, 0, 3)
        images = window.images
        return lambda: put(keys, new_keys, images, 0), lambda: put(values, new_values, images, 0)


@dataclass(frozen=True, eq=False)
class Attend(Operation):
    """What the pixels of a window attend to, of what is remembered.

    `later` [lines + 1, lines] is -inf on and above its diagonal, `scores` memory for scores.
    """

    queries: Features
    remembered: Features
    schedule: Schedule
    heads: Heads
    strict: bool
    later: Prepared
    keys: Buffer
    values: Buffer
    scores: Buffer
    looks_back: ClassVar[bool] = True

    def calls(self, memory: Workspace, window: Window, out: Tensor) -> Iterable[Call]:
        start, end = _in_raster(self.schedule, window)
        pixels, seen = end - start, end - self.strict
        if not seen:
            return (out.zero_,)
        features = memory.at(self.queries, window).view(pixels, -1, self.queries.channels)
        result = out.view(pixels, -1, self.heads.count, self.heads.value)
        # The i-th pixel of the window sees those before the i-th of its last ones, with its own one more.
        later = self.later.value[1 - self.strict :][:pixels, : pixels - self.strict]
        none = int(self.strict and start == 0)
        calls: list[Call] = []
        if none:  # the image's first pixel, which has nothing to attend to
            calls.append(result[0].zero_)
        count, size = self.heads.count, self.heads.key
        q = features[none:, :, : count * size].unflatten(2, (count, size)).permute(1, 2, 0, 3)
        keys, values = self.keys.value[..., :seen], self.values.value[:, :, :seen]
        places = result[none:].permute(1, 2, 0, 3)
        later, scores, images = later[none:], self.scores.value, window.images

        def run() -> None:
            places.copy_(_attended(q, picked(keys, images, 0), picked(values, images, 0), later, scores))

        return (*calls, run)


def _in_raster(schedule: Schedule, window: Window) -> tuple[int, int]:
    """The pixels of a window in raster order: the first one's number, and the one after the last."""
    row, column = schedule.pixel(window.front, window.first)
    start = row * schedule.width + column
    return start, start + window.end - window.first


def _attended(q: Tensor, keys: Tensor, values: Tensor, later: Tensor, memory: Tensor) -> Tensor:
    """Queries [N, heads, P, key], keys [N, heads, key, S], values [N, heads, S, value]: [N, heads, P, value].

    `later` [P, L] is added to the scores of the last L pixels, `memory` holds scores. For the few
    queries of a window this is faster than torch's fused attention, if the scores stay in the cache.
    """
    n, heads, p, size = q.shape
    pixels, last = keys.shape[3], later.shape[1]
    q, keys, values = q.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1)
    attended = q.new_empty(n * heads, p, values.shape[2])
    together = heads * max(1, len(memory) // (heads * p * pixels))
    for first in range(0, n * heads, together):
        of = slice(first, min(first + together, n * heads))
        scores = memory[: (of.stop - first) * p * pixels].view(-1, p, pixels)
        torch.baddbmm(scores, q[of], keys[of], beta=0, alpha=size**-0.5, out=scores)
        if p > 1:
            scores[:, :, pixels - last :] += later
        torch.softmax(scores, dim=-1, out=scores)
        torch.bmm(scores, values[of], out=attended[of])
    return attended.view(n, heads, p, -1)
