"""A trained model by itself gives the numbers and images that evaluation and sampling give."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small import prepared, run_spec

import pixelcnn
from pixelcnn.data import prepared as files
from pixelcnn.data.contract import Split
from pixelcnn.evaluation import export
from pixelcnn.evaluation.likelihoods import class_prior, evaluate
from pixelcnn.invariants.leaks import randomise
from pixelcnn.models.base import ImageSpec
from pixelcnn.models.registry import build_model
from pixelcnn.results import checkpoint
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.sampling.api import sample
from pixelcnn.system.code_digest import own_files
from pixelcnn.system.errors import UserError
from pixelcnn.trained.model import Trained

DATA = replace(prepared(), sha256="a1" * 32)
TEST = DATA.splits["test"]


def made(*, conditional=False, image: ImageSpec | None = None) -> Checkpoint:
    spec = run_spec(conditional=conditional)
    image = image or ImageSpec(*DATA.shape, DATA.levels, DATA.classes)
    model, _ = build_model(spec.variant, image)
    weights = {name: value.float() for name, value in randomise(model).state_dict().items()}
    return Checkpoint(spec, image, DATA.sha256, 7, weights, weights)


@pytest.fixture
def run(tmp_path):
    """The folder of a conditional run, with its checkpoint alone."""
    folder = BenchmarkFolder(tmp_path).run("stripes", "pixelcnn", 0)
    checkpoint.save(made(conditional=True), folder.checkpoint)
    return folder


def test_the_likelihoods_are_those_of_an_evaluation(run):
    export.save(made(conditional=True), DATA, run.model)
    model = pixelcnn.load(run.path)
    images, labels, prior = TEST.images, TEST.labels, class_prior(DATA.splits["train"], 2)
    expected = evaluate(model.network, model.likelihood, TEST, all_classes=True)
    assert model.nats(images).dtype == np.float64
    assert model.nats(images) == pytest.approx(expected.marginal(prior), rel=1e-12)
    assert model.nats(images, labels) == pytest.approx(expected.per_image, rel=1e-12)
    assert model.nats(images, 1) == pytest.approx(expected.by_class[:, 1], rel=1e-12)
    told = model.nats_by_pixel(images, labels, batch_size=5)
    assert told.mean(axis=0) == pytest.approx(expected.per_pixel, rel=1e-6)


def test_what_a_pixel_costs_whatever_the_label_depends_on_no_later_pixel(run):
    export.save(made(conditional=True), DATA, run.model)
    model, images = pixelcnn.load(run.path), TEST.images[:4].copy()
    before = model.nats_by_pixel(images)
    images[:, :, 3, 2:] = 1 - images[:, :, 3, 2:]
    after = model.nats_by_pixel(images)
    assert np.allclose(before.reshape(4, -1)[:, :20], after.reshape(4, -1)[:, :20], rtol=1e-9)
    # Of a pixel's values, whatever comes before, the probabilities are 1 together.
    assert np.exp(-before[:, 3, 2]) + np.exp(-after[:, 3, 2]) == pytest.approx(np.ones(4), rel=1e-6)


def test_all_images_of_a_tiny_model_have_probability_one_together():
    image = ImageSpec(1, 2, 3, 2)
    network, likelihood = made(image=image).model()
    every = np.array(list(itertools.product(range(2), repeat=6)), np.uint8).reshape(-1, 1, 2, 3)
    model = Trained(made(image=image), None, network.double(), likelihood)
    assert np.exp(-model.nats(every)).sum() == pytest.approx(1, abs=1e-12)


def test_wherever_a_model_lies_it_is_the_same_with_its_class_frequencies(run, tmp_path):
    prior = class_prior(DATA.splits["train"], 2)
    alone = pixelcnn.load(str(run.checkpoint))
    assert alone.prior is None
    with pytest.raises(UserError, match="a checkpoint alone does not have: give the label"):
        alone.nats(TEST.images)
    path = BenchmarkFolder(tmp_path).dataset("stripes").data
    whole = replace(DATA, sha256=files._content_digest(DATA))
    files.save(whole, path)
    assert pixelcnn.load(run.path).prior is None, "these are other data"
    checkpoint.save(replace(made(conditional=True), data_sha256=whole.sha256), run.checkpoint)
    assert pixelcnn.load(run.path).prior.tolist() == prior.tolist()
    path.unlink()
    export.save(made(conditional=True), DATA, run.model)
    assert pixelcnn.load(run.path).prior is None, "an export of other data"
    export.save(made(conditional=True), DATA, tmp_path / "mlflow" / "artifacts" / "model.safetensors")
    (tmp_path / "mlflow" / "MLmodel").touch()
    expected = pixelcnn.load(run.checkpoint).nats(TEST.images, TEST.labels)
    for place in (run.model, tmp_path / "mlflow"):
        model = pixelcnn.load(place)
        assert model.prior.tolist() == prior.tolist()
        assert np.array_equal(model.nats(TEST.images, TEST.labels), expected)


OWN = """
from dataclasses import dataclass
from pixelcnn.layers.pointwise import PixelTable
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    scale: float = 1.0

class Own(AutoregressiveModel):
    def build(self, hyperparameters):
        image = self.image
        return PixelTable(None, self.parameters_per_pixel, image.height, image.width, hyperparameters.scale)
"""


@pytest.mark.parametrize(("file", "name"), [("mine.py", "mine.py"), ("my net.py", "own_code.py")])
def test_a_network_of_ones_own_comes_from_beside_its_weights(tmp_path, file, name):
    (mine := tmp_path / file).write_text(OWN, encoding="utf-8")
    spec, image = run_spec(str(mine)), ImageSpec(*DATA.shape, 2, 2)
    spec = replace(spec, own_files={"model": own_files(str(mine))})
    weights = randomise(build_model(spec.variant, image)[0]).state_dict()
    export.save(
        Checkpoint(spec, image, "", 1, weights, weights), DATA, tmp_path / "artifacts" / "m.safetensors"
    )
    expected = pixelcnn.load(tmp_path / "artifacts" / "m.safetensors").nats(TEST.images)
    (tmp_path / "MLmodel").touch()
    (tmp_path / "artifacts" / "own").mkdir()
    mine.rename(tmp_path / "artifacts" / "own" / name)
    (tmp_path / "artifacts" / "own" / "helper.py").touch()
    assert np.array_equal(pixelcnn.load(tmp_path).nats(TEST.images), expected)


def test_samples_and_completions_are_those_of_the_sampler(run):
    model = pixelcnn.load(run.path)
    network, likelihood = model.network, model.likelihood
    y = torch.tensor([0, 1, 0])
    assert np.array_equal(model.sample(3, seed=2), sample(network, likelihood, 3, seed=2, y=y))
    ones = sample(network, likelihood, 3, seed=2, y=torch.ones(3).long(), temperature=0.5)
    assert np.array_equal(model.sample(3, 1, seed=2, temperature=0.5), ones)
    images = torch.from_numpy(TEST.images[:2])
    given = images[:, :, :3].repeat_interleave(3, dim=0)
    told = torch.tensor([1, 1, 1, 0, 0, 0])
    upper = sample(network, likelihood, 6, seed=2, y=told, given=given).view(2, 3, 1, 6, 6)
    assert np.array_equal(model.complete(images.numpy(), n=3, labels=[1, 0], seed=2), upper)
    left = model.complete(images.numpy(), "left", 2, labels=0)
    assert np.array_equal(left[..., :3], np.repeat(images.numpy()[:, None, ..., :3], 2, axis=1))
    assert not np.array_equal(left[:, 0, ..., 3:], left[:, 1, ..., 3:])


def test_what_does_not_fit_the_model_is_said(run, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    model, images = pixelcnn.load(run.path), TEST.images[:2]
    checkpoint.save(made(), tmp_path / "plain.pt")
    plain = pixelcnn.load(tmp_path / "plain.pt")
    (tmp_path / "other.txt").touch()
    (tmp_path / "no.pt").write_text("no checkpoint", encoding="utf-8")
    nothing = np.ones((6, 6), bool)
    for call, said in (
        (lambda: plain.nats(images, 0), "a label was given to an unconditional model"),
        (lambda: plain.sample(2, [0]), "a label was given to an unconditional model"),
        (lambda: model.nats(images, 2), "labels: expected whole numbers 0..1, got [2]"),
        (lambda: model.nats(images, [0]), "labels: expected 2, one an image, got shape [1]"),
        (lambda: model.nats(images + 1, 0), "images: expected integers 0..1, got 1..2"),
        (lambda: model.nats(images / 2, 0), "images: expected integers 0..1, got float64"),
        (lambda: model.nats(images[:, 0]), "images: expected shape [N, 1, 6, 6], got [2, 6, 6]"),
        (lambda: model.nats(images, 0, batch_size=0), "the batch size must be at least 1, got 0"),
        (lambda: model.pictures_of(images + 1), "images: expected integers 0..1, got 1..2"),
        (lambda: model.complete(images), "a conditional model needs the label to complete, 0..1"),
        (lambda: plain.complete(images, "right"), "keep: expected upper, left or a mask, got 'right'"),
        (lambda: plain.complete(images, nothing), "keep: every pixel is kept, there is nothing to draw"),
        (lambda: pixelcnn.load(run.path, "cuda"), "device: cuda was asked for, but torch finds no GPU"),
        (lambda: pixelcnn.load(run.path, "cuda:9"), "device: cuda:9 was asked for, but torch finds "),
        (
            lambda: pixelcnn.load(run.path, "gpu"),
            "device: expected auto, cpu, cuda, or a GPU such as cuda:1;",
        ),
        (lambda: pixelcnn.load(tmp_path / "none"), f"{tmp_path / 'none'}: no such file or folder; "),
        (lambda: pixelcnn.load(tmp_path / "other.txt"), f"{tmp_path / 'other.txt'}: no model; "),
        (lambda: pixelcnn.load(tmp_path / "no.pt"), f"{tmp_path / 'no.pt'}: not loaded: "),
        (lambda: pixelcnn.load(tmp_path), f"{tmp_path}: a folder without checkpoint.pt; "),
    ):
        with pytest.raises(UserError, match=f"^{re.escape(said)}"):
            call()


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trained-models.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [Trained.__doc__, PAGE.partition("In Python, images are integers")[2]])
def test_the_examples_run(run, monkeypatch, text):
    checkpoint.save(made(), run.checkpoint)
    lines = [line.strip() for line in text.partition("To marginalise")[0].splitlines()]
    code = "\n".join(line for line in lines if re.match(r"import|model( =|\.)|\w+ = model", line))
    monkeypatch.setattr(pixelcnn, "load", lambda path, load=pixelcnn.load: load(run.path))
    names: dict = {}
    exec(code, names)
    assert names["nats"].shape == (16,) and names["halves"].shape == (2, 4, 1, 6, 6)
    assert np.array_equal(
        names["halves"][:, :, :, :3], np.repeat(names["images"][:2, None, :, :3], 4, axis=1)
    )
    model = names["model"]
    if "shown" in names:
        assert names["shown"].max() == 255 and np.array_equal(
            model.images_of(names["shown"]), names["images"]
        )
    expected = evaluate(model.network, model.likelihood, Split(names["images"])).per_image
    assert names["nats"] == pytest.approx(expected, rel=1e-12)
