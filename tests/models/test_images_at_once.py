"""How many images are worked on together follows from their size, so that memory does not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.small import run_spec

from pixelcnn.analysis import cost
from pixelcnn.analysis.classifier import Classifier
from pixelcnn.analysis.receptive import effective
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import Split
from pixelcnn.data.prepared import PreparedData
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.evaluation.run import evaluate_run
from pixelcnn.models import registry
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.sampling import api
from pixelcnn.sampling.request import Drawn
from pixelcnn.training.loop import fit, image_spec

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "usual", "images"),
    [
        ((7, 7), 250, 250),
        ((14, 14), 250, 250),
        ((28, 28), 250, 250),
        ((28, 28), 1, 1),
        ((28, 29), 250, 241),
        ((32, 32), 250, 191),
        ((64, 64), 250, 47),
        ((128, 128), 250, 11),
        ((512, 512), 250, 1),
    ],
)
def test_images_at_once_are_as_usual_up_to_28x28_and_then_as_many_pixels(size, usual, images):
    found = ImageSpec(1, *size, 2).at_once(usual)
    assert found == images
    assert found == 1 or found * size[0] * size[1] <= usual * 28 * 28


@pytest.fixture
def seen(monkeypatch):
    """How many images a network was asked about, each time that it was without a training."""
    seen, enter = [], AutoregressiveModel.enter

    def noting(self, x):
        if not self.training:
            seen.append(len(x))
        return enter(self, x)

    monkeypatch.setattr(AutoregressiveModel, "enter", noting)
    return seen


def data(size: int, n: int) -> PreparedData:
    images = np.zeros((n, 1, size, size), np.uint8)
    splits = dict.fromkeys(("valid", "test"), Split(images)) | {"train": Split(images[:2])}
    return PreparedData(splits, 2, None, False, DatasetSpec("stripes.py", size, 2), "0" * 64)


def network(size: int):
    spec = run_spec("independent", epochs=1, batch_size=1)
    return *registry.build_model(spec.variant, image_spec(data(size, 2))), spec


def _evaluate(size, n, folder):
    model, likelihood, _ = network(size)
    evaluate(model, likelihood, data(size, n).splits["test"])


def _evaluate_run(size, n, folder):
    model, _, spec = network(size)
    weights = model.state_dict()
    trained = Checkpoint(spec, model.image, "0" * 64, 1, weights, weights)
    evaluate_run(trained, data(size, n), CPU, folder)


def _validate(size, n, folder):
    model, _, spec = network(size)
    fit(model, data(size, n), spec, run_dir=folder, device=CPU)


def _look_into(size, n, folder):
    model, _, _ = network(size)
    effective(model, data(size, n).splits["test"])


@pytest.mark.parametrize(
    ("work", "size", "sizes"),
    [
        (_evaluate, 28, [250, 1]),
        (_evaluate, 64, [47, 1]),
        (_evaluate_run, 28, [250, 1]),
        (_evaluate_run, 64, [47, 1]),
        (_validate, 28, [250, 1]),
        (_validate, 64, [47, 1]),
        (_look_into, 28, [64, 1]),
        (_look_into, 64, [12, 1]),
    ],
)
def test_work_without_a_batch_size_of_its_own_goes_by_the_size_of_the_images(
    tmp_path, seen, work, size, sizes
):
    work(size, sum(sizes), tmp_path)
    assert seen == sizes


def test_a_batch_size_that_is_asked_for_is_taken(seen):
    model, likelihood, _ = network(64)
    evaluate(model, likelihood, data(64, 100).splits["test"], batch_size=60)
    assert seen == [60, 40]


@pytest.mark.parametrize(
    ("size", "asked", "sizes"), [(28, None, [256, 1]), (64, None, [49, 1]), (64, 30, [30, 20])]
)
def test_images_are_drawn_in_batches_by_their_size(monkeypatch, size, asked, sizes):
    drawn = []

    def draw(request, on_step):
        drawn.append(len(request.noise))
        return Drawn(torch.zeros(request.noise.shape, dtype=torch.long), None)

    monkeypatch.setattr(api, "make_sampler", lambda *model: SimpleNamespace(draw=draw))
    monkeypatch.setattr(api, "pixel_noise", lambda seed, first, n, shape: torch.zeros(n, *shape))
    model, likelihood, _ = network(size)
    api.sample(model, likelihood, sum(sizes), seed=0, batch_size=asked)
    assert drawn == sizes


@pytest.mark.parametrize(("size", "sizes"), [(28, [1000, 1]), (64, [191, 1])])
def test_a_classifier_is_asked_for_as_many_images_as_their_size_allows(size, sizes):
    asked = []

    class Network(torch.nn.Linear):
        def forward(self, x):
            asked.append(len(x))
            return torch.zeros(len(x), 2)

    images = np.zeros((sum(sizes), 1, size, size), np.uint8)
    Classifier(Network(1, 1), 2, 0.0, 1).answers(images)
    assert asked == sizes


@pytest.mark.parametrize(("size", "images"), [(28, 64), (96, 21)])
def test_what_is_measured_is_no_larger_than_an_evaluation(monkeypatch, size, images):
    for name, value in {"SECONDS": 0.0, "ROUNDS": 1, "FEWER_ROUNDS": 1, "WARM_UP": 1}.items():
        monkeypatch.setattr(cost, name, value)
    drawn = []
    monkeypatch.setattr(
        cost, "make_sampler", lambda *model: SimpleNamespace(draw=lambda asked: drawn.append(asked.noise))
    )
    model, _, spec = network(size)
    weights = model.state_dict()
    trained = Checkpoint(spec, model.image, "0" * 64, 1, weights, weights)
    found = cost.measure_cost(trained, data(size, 3), CPU, "float32")
    assert found.sampling_images == images and {len(noise) for noise in drawn} == {images}
