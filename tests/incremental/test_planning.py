"""Plans: what is left out, what is remembered for how long, and which memory is shared."""

from __future__ import annotations

import pytest
import torch

from pixelcnn.incremental.execution import Execution
from pixelcnn.incremental.memory import RingSize, Window
from pixelcnn.incremental.neighbours import Source
from pixelcnn.incremental.operations import AddPerImage, Linear, Relu
from pixelcnn.incremental.program import EARLY, Program
from pixelcnn.incremental.schedules import Rows, Wavefront

BIAS = torch.zeros(2)


def program(schedule=None, images=3):
    made = Program(schedule or Wavefront(4, 4, 2), images, torch.zeros(1))
    return made, made.source(2, lambda: torch.zeros(images, 2, 4, 4))


def correlated(made, x, *taps):
    return made.correlate(x, taps, lambda: torch.ones(len(taps), 2, 2), BIAS)


def test_what_the_output_does_not_need_is_left_out_with_its_memory():
    made, x = program()
    first = made.linear(x, lambda: torch.ones(2, 2), None)
    unused = made.add_per_image(correlated(made, made.relu(first), (-3, 0)), lambda: pytest.fail("computed"))
    planned = made.plan(made.relu(first))
    assert unused.features not in {entry.output for entry in planned.entries}
    assert [type(entry.operation) for entry in planned.entries] == [Source, Linear, Relu]
    assert planned.rings == {} and not any(isinstance(e.operation, AddPerImage) for e in planned.entries)
    Execution(made, made.relu(first)).begin()


def test_a_ring_remembers_what_its_farthest_reader_needs():
    made, x = program()
    first = correlated(made, x, (-1, 0), (0, -1))
    near, far = correlated(made, first, (0, -1)), correlated(made, first, (-1, 1), (-2, -1), (0, -1))
    planned = made.plan(made.add(near, far))
    # (-2, -1) lies five fronts back; (-1, 1) reads a line before, and a column to the right.
    assert planned.rings[first.features.number] == RingSize(fronts=5, before=2, after=0, right=1)


def test_features_that_are_needed_later_are_remembered_for_so_long():
    made, x = program()
    early = correlated(made, correlated(made, x, (-1, 0)), (-1, 0))
    assert early.delay == 1 - 4
    late = made.add(early, correlated(made, x, (0, -1)))
    assert late.delay == 0 and made.plan(late).rings[early.features.number].fronts == 4


def test_memory_is_handed_on_after_the_last_reader_and_not_before():
    made, x = program()
    a = made.linear(x, lambda: torch.ones(2, 2), BIAS)
    b = made.relu(a)  # the last reader of a: in its place
    c = made.linear(b, lambda: torch.ones(2, 2), BIAS)
    d = made.add(b, c)  # b was needed until here
    e = made.linear(d, lambda: torch.ones(2, 2), BIAS)
    scratch = made.plan(e).scratch
    a, b, c, d, e = (scratch[stream.features.number] for stream in (a, b, c, d, e))
    assert a == b == d and c != b and e != d


def test_what_lies_outside_of_the_image_for_every_pixel_is_a_constant():
    made, x = program()
    planned = made.plan(correlated(made, made.relu(x), (-4, 0), (-1, -4)))
    (entry,) = planned.entries
    assert str(entry.operation) == "Constant()" and entry.output.delay == EARLY


def test_the_pixels_get_the_margin_that_is_read():
    made, x = program()
    assert made.plan(correlated(made, x, (-1, 0), (-2, 3))).margin == 3
    assert made.plan(x).margin == 0


def test_rows_are_split_into_what_comes_once_and_what_comes_in_every_pass():
    made, x = program(Rows(4, 4))
    planned = made.plan(correlated(made, x, (-1, 0), (0, -1)))
    assert [entry.output.delay for entry in planned.entries] == [0, 1, 1]
    assert planned.first_step == 0 and planned.latest == 1


def test_a_window_can_be_computed_of_some_images_alone():
    made, x = program(Rows(4, 4))
    values = torch.arange(3 * 2 * 16.0).view(3, 2, 4, 4)
    known = made.known(2, lambda: values)
    execution = Execution(made, made.add(made.relu(known), correlated(made, x, (0, -1))))
    execution.begin()
    whole, some = Window(2, 0, 4), Window(2, 1, 3, torch.tensor([2, 0]))
    for step in range(execution.first_step, 3):
        for call in execution.advance(step, up_to=0):
            call()
    for call in execution.iterate(whole):
        call()
    expected = values[:, :, 2].permute(2, 0, 1)  # no pixel is drawn: the other part is zero
    assert torch.equal(execution.output(whole).view(4, 3, 2), expected)
    for call in execution.iterate(some):
        call()
    assert torch.equal(execution.output(some).view(2, 2, 2), expected[1:3][:, [2, 0]])
