"""Trainings whose budget is in images, and those that are validated more or less often than once an epoch."""

from __future__ import annotations

import pytest
import torch
from support.small import prepared, run_spec

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.images.while_training import drawer
from pixelcnn.models import registry
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.loop import Observer, fit, image_spec
from pixelcnn.training.optimizers import learning_rate_factor

CPU = torch.device("cpu")
DATA = prepared()  # 100 images, 7 steps of at most 16


def train(run_dir, data=DATA, *, saving=None, draw=False, **training):
    """A training of the smallest network; returns its checkpoint and the sizes of its batches."""
    spec = run_spec("independent", precision="float32", **{"epochs": None} | training)
    model, _ = registry.build_model(
        spec.variant, image_spec(data), seed=derived_seed(spec.seed, "initialisation")
    )
    sizes = []
    model.register_forward_pre_hook(lambda it, args: sizes.append(len(args[0])) if it.training else None)
    pictures = drawer(run_dir, n=2 * draw, seed=0, say=pytest.fail, counted_in=spec.training.counted_in)
    result = fit(
        model, data, spec,
        run_dir=run_dir, device=CPU, saving=saving, observer=Observer(pictures=pictures),
    )  # fmt: skip
    return result, sizes


def numbers(run_dir, *, without=()):
    timed = {"seconds", "images_per_second", *without}
    return [{k: v for k, v in line.items() if k not in timed} for line in RunFolder(run_dir).history()]


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in b)


def test_exactly_so_many_images_are_trained_on_over_as_many_passes_as_it_takes(tmp_path):
    _, sizes = train(tmp_path, images=250, learning_rate=0.02)
    assert sizes == 2 * ([16] * 6 + [4]) + [16, 16, 16, 2]
    record, history = RunFolder(tmp_path).record(), RunFolder(tmp_path).history()
    assert (record.images_seen, record.epochs, record.status) == (250, 2.5, "finished")
    assert [line["epoch"] for line in history] == [1, 2, 2.5]
    assert [line["images"] for line in history] == [100, 200, 250]
    assert [line["step"] for line in history] == [7, 14, 18]
    rates = [0.02 * learning_rate_factor(step, 18, 3) for step in (7, 14, 18)]
    assert [line["learning_rate"] for line in history] == pytest.approx(rates), "the cosine ends with them"


def test_as_many_images_as_so_many_epochs_have_are_the_same_training(tmp_path):
    wanted, _ = train(tmp_path / "epochs", epochs=2)
    for name, recipe in (("images", {}), ("and validations", {"validate_every": 100})):
        result, _ = train(tmp_path / name, images=200, **recipe)
        assert same(result.weights, wanted.weights) and same(result.ema_weights, wanted.ema_weights)
        assert result.epoch == wanted.epoch
        assert numbers(tmp_path / name) == numbers(tmp_path / "epochs")


def test_more_validations_change_no_step(tmp_path):
    every, _ = train(tmp_path / "tenths", epochs=3, batch_size=5, validate_every=10)
    once, _ = train(tmp_path / "once", epochs=3, batch_size=5)
    tenths = numbers(tmp_path / "tenths")
    assert [line["images"] for line in tenths] == list(range(10, 301, 10))
    assert [line["epoch"] for line in tenths] == [n / 10 if n % 10 else n // 10 for n in range(1, 31)]
    assert every.epoch == once.epoch == 3, "it still gets better"
    assert same(every.weights, once.weights) and same(every.ema_weights, once.ema_weights)
    # A line is of the images since the line before.
    means = [sum(line["train_nll"] for line in tenths[i : i + 10]) / 10 for i in (0, 10, 20)]
    whole = numbers(tmp_path / "once", without=("train_nll", "gradient_norm"))
    assert means == pytest.approx([line["train_nll"] for line in numbers(tmp_path / "once")], rel=1e-5)
    kept = [{k: v for k, v in line.items() if k not in ("train_nll", "gradient_norm")} for line in tenths]
    assert kept[9::10] == whole


def test_validations_may_be_several_epochs_apart(tmp_path):
    train(tmp_path, images=450, validate_every=200)
    assert [line["epoch"] for line in RunFolder(tmp_path).history()] == [2, 4, 4.5]


def test_patience_counts_validations(tmp_path):
    train(tmp_path, images=100_000, validate_every=20, patience=3, learning_rate=0.5, ema_decay=0.1)
    record, history = RunFolder(tmp_path).record(), RunFolder(tmp_path).history()
    nlls = [line["valid_nll"] for line in history]
    assert record.stopped_early and nlls.index(min(nlls)) == len(nlls) - 1 - 3
    assert record.best_epoch == history[-4]["epoch"] and record.images_seen == history[-1]["images"] < 100_000


def test_pictures_are_numbered_by_the_images_and_states_saved_at_epochs(tmp_path):
    train(tmp_path, images=130, validate_every=26, draw=True, saving=SavingSpec(minutes=None, epochs=1))
    folder = RunFolder(tmp_path)
    images = [line["images"] for line in folder.history()]
    assert images == [32, 64, 80, 116, 130], "after the step that completes so many"
    assert list(folder.pictures()) == [32, 64, 116, 130], "after validations 1, 2, 4 and the last"
    assert folder.picture(32, "images").name == "images000000032.png"
    states = [torch.load(path, weights_only=True) for path in tmp_path.glob("state-*.pt")]
    assert sorted(len(state["history"]) for state in states) == [4, 5], "the first epoch, and the end"
