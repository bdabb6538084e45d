"""What leaves an evaluation: the exported model and the numbers beside the likelihoods."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.small import prepared, run_spec

from pixelcnn.data.prepared import PreparedData
from pixelcnn.evaluation import export, run
from pixelcnn.evaluation.likelihoods import BATCH_SIZE, Likelihoods, evaluate
from pixelcnn.models import registry
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.system.errors import UserError

CPU = torch.device("cpu")
DATA = replace(prepared(), sha256="a1" * 32)


def checkpoint(*, conditional=False, data: PreparedData = DATA) -> Checkpoint:
    """Random weights, averaged ones that differ from them, of epoch 7."""
    spec = run_spec(conditional=conditional)
    image = ImageSpec(*data.shape, levels=data.levels, classes=data.classes)
    weights, averaged = (
        registry.build_model(spec.variant, image, seed=seed)[0].state_dict() for seed in (1, 2)
    )
    return Checkpoint(spec, image, data.sha256, 7, weights, averaged)


# ------------------------------------------------------------------------------ the exported model


@pytest.mark.parametrize("conditional", [False, True])
def test_an_exported_model_is_the_one_with_averaged_weights(tmp_path, conditional):
    trained, path = checkpoint(conditional=conditional), tmp_path / "model.safetensors"
    export.save(trained, DATA, path)
    found = export.load(path)
    back = found.checkpoint
    assert (back.spec, back.image, back.epoch) == (trained.spec, trained.image, 7)
    assert back.data_sha256 == "a1" * 32
    for weights in (back.weights, back.ema_weights):
        assert weights.keys() == trained.ema_weights.keys()
        assert all(torch.equal(weights[name], value) for name, value in trained.ema_weights.items())
    if conditional:
        labels = DATA.splits["train"].labels
        assert found.prior.tolist() == [(labels == 0).sum() / 100, (labels == 1).sum() / 100]
    else:
        assert found.prior is None, "the labels of its images are nothing to it"


def test_the_same_model_gives_the_same_bytes_in_whatever_order_its_config_was_written(tmp_path):
    trained = checkpoint()
    variant = trained.spec.variant
    turned = replace(variant, hyperparameters=dict(reversed(variant.hyperparameters.items())))
    again = replace(trained, spec=replace(trained.spec, variant=turned))
    assert list(turned.hyperparameters) != list(variant.hyperparameters)
    for name, each in (("a", trained), ("b", again)):
        export.save(each, DATA, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_is_no_exported_model_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    refused(path, "no model there; `pixelcnn evaluate` writes it")
    path.write_bytes(b"no tensors")
    refused(path, "damaged, or no safetensors file: ", end="")
    for metadata in (None, {"other": "{}"}, {"pixelcnn": '{"format": 2}'}):
        save_file({"a": torch.zeros(1)}, path, metadata)
        refused(path, "not a model of format 1")
    save_file({"a": torch.zeros(1)}, path, {"pixelcnn": "no JSON"})
    refused(path, "damaged, or no safetensors file: ", end="")


def refused(path, said, end="$"):
    with pytest.raises(UserError, match=f"^{re.escape(f'{path}: {said}')}{end}"):
        export.load(path)


# ------------------------------------------------------------------------------ beside the likelihoods


def test_what_a_run_says_of_itself_beside_its_likelihoods(tmp_path, monkeypatch):
    class Clock:
        def __init__(self) -> None:
            self.times = iter([1000.0, 1025.0])

        def perf_counter(self):
            return next(self.times)

    monkeypatch.setattr(run, "time", Clock())
    trained = checkpoint()
    metrics = run.evaluate_run(trained, DATA, CPU, tmp_path)
    assert (metrics.digest, metrics.data_sha256) == (trained.spec.digest, "a1" * 32)
    assert (metrics.split, metrics.images, metrics.seconds) == ("test", 37, 25)


def test_data_that_a_run_was_not_trained_on_are_refused_by_its_name(tmp_path):
    with pytest.raises(UserError, match=f"^{re.escape(str(tmp_path))}: trained on data"):
        run.evaluate_run(checkpoint(), replace(DATA, sha256="b2" * 32), CPU, tmp_path)


@pytest.mark.parametrize(("asked", "sizes"), [({"batch_size": 20}, [20, 17]), ({}, [37])])
def test_a_run_is_evaluated_in_batches_of_the_size_asked_for(tmp_path, monkeypatch, asked, sizes):
    seen, forward = [], AutoregressiveModel.forward

    def noting(self, x, y=None):
        seen.append(len(x))
        return forward(self, x, y)

    monkeypatch.setattr(AutoregressiveModel, "forward", noting)
    run.evaluate_run(checkpoint(), DATA, CPU, tmp_path, **asked)
    assert seen == sizes and BATCH_SIZE >= 37


def test_the_nats_of_a_pixel_are_summed_in_double_precision():
    model, likelihood = registry.build_model(run_spec().variant, checkpoint().image)
    split = DATA.splits["test"]
    found = evaluate(model, likelihood, split, batch_size=1).per_pixel
    x = torch.from_numpy(split.images)
    with torch.no_grad():
        each = torch.cat([-likelihood.log_prob(model(image[None]), image[None]) for image in x])
    assert found == pytest.approx(each.double().mean(dim=0).numpy(), rel=1e-13)


def test_only_a_conditional_model_and_labelled_images_have_an_accuracy():
    nats, by_class = np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]])
    pixels = np.zeros((1, 1))
    assert Likelihoods(nats, pixels, by_class, np.array([0, 0])).accuracy() == 0.5
    for without in (Likelihoods(nats, pixels, by_class), Likelihoods(nats, pixels, None, np.array([0, 0]))):
        with pytest.raises(AssertionError):
            without.accuracy()
    with pytest.raises(AssertionError, match=r"^only a conditional model has classes to sum over($|\n)"):
        Likelihoods(nats, pixels).marginal(np.array([0.5, 0.5]))
