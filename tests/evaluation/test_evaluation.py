import math
from dataclasses import replace
from types import MethodType

import numpy as np
import pytest
import torch
from support.small import SMALL, prepared, run_spec

from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.data.contract import Split
from pixelcnn.evaluation import export
from pixelcnn.evaluation.likelihoods import class_prior, evaluate
from pixelcnn.evaluation.run import evaluate_run
from pixelcnn.evaluation.units import bits_per_dim, perplexity
from pixelcnn.invariants.leaks import randomise
from pixelcnn.likelihoods.base import Likelihood
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.results import checkpoint
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import RunFailed, UserError
from pixelcnn.training.loop import image_spec

CPU = torch.device("cpu")


def test_bits_per_dim_and_perplexity_by_hand():
    # 28x28 binary at 90 nats: 90 / (784 · 0.693147) bits, e^(90/784).
    assert bits_per_dim(90, 784) == pytest.approx(0.1656155, abs=1e-7)
    assert perplexity(90, 784) == pytest.approx(1.1216446, abs=1e-6)
    for levels in (2, 16, 256):  # a uniform guess costs log2(levels) bits and is `levels` perplexed
        nll = 196 * math.log(levels)
        assert bits_per_dim(nll, 196) == pytest.approx(math.log2(levels))
        assert perplexity(nll, 196) == pytest.approx(levels)
    assert perplexity(90, 784) == pytest.approx(2 ** bits_per_dim(90, 784))


def network(name="pixelcnn", conditional=False, levels=3, size=4, channels=1):
    variant = VariantSpec(name, conditional=conditional, hyperparameters=SMALL.get(name, {}))
    image = ImageSpec(channels, size, size, levels, 2)
    model, likelihood = registry.build_model(registry.resolve(variant), image)
    return randomise(model), likelihood


def images(n, levels=3, size=4, channels=1):
    random = np.random.default_rng(0)
    pixels = random.integers(0, levels, (n, channels, size, size), dtype=np.uint8)
    return Split(pixels, random.integers(0, 2, n))


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("n", [1, 249, 250, 251])
def test_ragged_batches_count_every_image_once(name, n):
    model, likelihood = network(name, conditional=True)
    split = images(n)
    result = evaluate(model, likelihood, split)
    one_by_one = [
        -likelihood.log_prob(model(x[None].long(), y[None]), x[None]).sum().item()
        for x, y in zip(torch.from_numpy(split.images), torch.from_numpy(split.labels), strict=True)
    ]
    assert result.per_image.shape == (n,)
    assert result.per_image == pytest.approx(one_by_one, rel=1e-9)
    assert result.nll == pytest.approx(np.mean(one_by_one))
    assert result.per_pixel.shape == (4, 4) and result.per_pixel.sum() == pytest.approx(result.nll)


def test_channels_are_told_apart_where_that_is_asked_and_the_likelihood_can():
    """Each by what it costs to end an image's pixels there, all later channels summed out."""
    model, likelihood = network("independent", conditional=True, levels=2, size=2, channels=2)
    split = images(7, levels=2, size=2, channels=2)
    found = evaluate(model, likelihood, split, by_channel=True, batch_size=3)
    x, y = torch.from_numpy(split.images).long(), torch.from_numpy(split.labels)
    other = torch.stack([x[:, 0], 1 - x[:, 1]], dim=1)
    first = -torch.stack([likelihood.log_prob(model(x, y), one) for one in (x, other)]).logsumexp(dim=0)
    first = first.sum(dim=(1, 2)).mean().item()
    assert found.per_channel == pytest.approx([first, found.nll - first])
    assert evaluate(model, likelihood, split).per_channel is None
    likelihood.log_prob_by_channel = MethodType(Likelihood.log_prob_by_channel, likelihood)  # one's own
    assert evaluate(model, likelihood, split, by_channel=True).per_channel is None


def test_the_marginal_likelihood_is_the_sum_over_labels():
    model, likelihood = network(conditional=True)
    split, prior = images(9), np.array([0.3, 0.7])
    result = evaluate(model, likelihood, split, all_classes=True)
    x = torch.from_numpy(split.images).long()
    joint = sum(
        prior[y] * likelihood.log_prob(model(x, torch.full((9,), y)), x).sum((1, 2)).exp() for y in (0, 1)
    )
    assert result.marginal(prior) == pytest.approx(-joint.log().detach().numpy(), rel=1e-9)
    guesses = result.by_class.argmin(axis=1)
    assert result.accuracy() == np.mean(guesses == split.labels)
    assert result.by_class[np.arange(9), split.labels] == pytest.approx(result.per_image)


def test_a_class_without_images_has_no_part_in_the_marginal():
    model, likelihood = network(conditional=True)
    result = evaluate(model, likelihood, images(4), all_classes=True)
    assert result.marginal(np.array([1.0, 0.0])) == pytest.approx(result.by_class[:, 0])
    assert class_prior(Split(np.zeros((4, 1, 2, 2), np.uint8), np.array([0, 1, 1, 1])), 3).tolist() == [
        0.25, 0.75, 0,
    ]  # fmt: skip


def test_a_likelihood_that_is_not_finite_is_no_number_in_a_table():
    model, likelihood = network()
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    with pytest.raises(RunFailed, match="5 of 5 images"):
        evaluate(model, likelihood, images(5))


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_runs_in_evaluation_mode_and_leaves_the_mode_as_it_was(training):
    model, likelihood = network(conditional=True)
    modes, batches = [], []
    model.register_forward_pre_hook(lambda module, x: modes.append(module.network.training))
    model.train(training)
    evaluate(
        model,
        likelihood,
        images(5),
        all_classes=True,
        batch_size=2,
        on_batch=lambda: batches.append(len(modes)),
    )
    assert modes == [False] * 9, "three batches, each with its labels and with both classes"
    assert batches == [0, 3, 6], "told before each batch"
    assert model.training == model.network.training == training


def test_all_that_an_evaluation_says_by_hand(tmp_path):
    data = prepared()
    train = data.splits["train"]
    # One in five: neither uniform nor as in the images that are scored.
    skewed = replace(train, labels=(np.arange(100) % 5 == 0).astype(np.int64))
    data = replace(data, splits={**data.splits, "train": skewed, "test": images(37, 2, 6)})
    result, _ = trained(True, data)
    metrics = evaluate_run(result, data, CPU, tmp_path)
    export.save(result, data, tmp_path / "model.safetensors")
    assert export.load(tmp_path / "model.safetensors").prior.tolist() == [0.8, 0.2]

    test = data.splits["test"]
    model, _ = result.model()
    x = torch.from_numpy(test.images)
    by_class = []
    for label in (0, 1):
        with torch.no_grad():
            p = torch.sigmoid(model(x, torch.full((37,), label)).double())
        by_class.append(-torch.where(x == 1, p, 1 - p).log().sum(dim=1).numpy())
    pixels = np.where(test.labels[:, None, None] == 0, *by_class)
    zero, one = (nats.sum(axis=(1, 2)) for nats in by_class)
    nll = pixels.sum() / 37
    marginal = -np.log(0.8 * np.exp(-zero) + 0.2 * np.exp(-one))
    assert metrics.nll == pytest.approx(nll)
    assert metrics.bits_per_dim == pytest.approx(nll / 36 / 0.6931471805599453)
    assert metrics.perplexity == pytest.approx(2.718281828459045 ** (nll / 36))
    assert metrics.marginal_nll == pytest.approx(marginal.mean())
    assert metrics.marginal_bits_per_dim == pytest.approx(marginal.mean() / 36 / 0.6931471805599453)
    assert metrics.marginal_perplexity == pytest.approx(2.718281828459045 ** (marginal.mean() / 36))
    assert (
        metrics.accuracy == pytest.approx(((one < zero) == test.labels).mean()) and 0 < metrics.accuracy < 1
    )
    with np.load(tmp_path / "nats.npz") as nats:
        assert nats["per_image"] == pytest.approx(pixels.sum(axis=(1, 2)))
        assert nats["per_pixel"] == pytest.approx(pixels.mean(axis=0))
        assert nats["marginal_per_image"] == pytest.approx(marginal)
        assert nats["by_class"] == pytest.approx(np.stack([zero, one], axis=1))


def trained(conditional=True, data=None):
    data = data or prepared()
    spec = run_spec(conditional=conditional)
    model, _ = registry.build_model(spec.variant, image_spec(data))
    weights = model.state_dict()
    return Checkpoint(spec, image_spec(data), data.sha256, 1, weights, weights), data


@pytest.mark.parametrize("conditional", [False, True])
def test_an_evaluated_run_leaves_its_numbers(tmp_path, conditional):
    result, data = trained(conditional)
    metrics = evaluate_run(result, data, CPU, tmp_path)
    assert RunFolder(tmp_path).metrics() == metrics
    assert (metrics.images, metrics.dims, metrics.levels) == (37, 36, 2)
    assert metrics.bits_per_dim == pytest.approx(metrics.nll / (36 * math.log(2)))
    assert metrics.perplexity == pytest.approx(math.exp(metrics.nll / 36))
    with np.load(tmp_path / "nats.npz") as nats:
        assert nats["per_image"].mean() == pytest.approx(metrics.nll)
        if conditional:
            assert nats["marginal_per_image"].mean() == pytest.approx(metrics.marginal_nll)
    assert (metrics.marginal_nll is not None) == (metrics.accuracy is not None) == conditional


def test_other_data_than_the_run_was_trained_on_are_refused(tmp_path):
    result, data = trained()
    with pytest.raises(UserError, match="trained on data"):
        evaluate_run(result, replace(data, sha256="1" * 64), CPU, tmp_path)
    assert not list(tmp_path.iterdir())


class Malicious:
    def __reduce__(self):
        return (open, ("executed", "w"))


def test_bad_checkpoints_are_refused_and_execute_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(UserError, match="no checkpoint"):
        checkpoint.load(path)
    result, _ = trained()
    checkpoint.save(result, path)
    assert checkpoint.load(path).spec == result.spec
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"checkpoint\.pt.*damaged"):
        checkpoint.load(path)
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(UserError, match=r"checkpoint\.pt"):
        checkpoint.load(path)
    torch.save({"format": 1, "spec": Malicious()}, path)
    with pytest.raises(UserError, match="more than plain data"):
        checkpoint.load(path)
    assert not (tmp_path / "executed").exists()
    torch.save({"format": 99}, path)
    with pytest.raises(UserError, match="format 1"):
        checkpoint.load(path)


def test_weights_that_do_not_fit_are_refused():
    result, _ = trained()
    other = run_spec("gated", conditional=True)
    with pytest.raises(UserError, match="does not fit the architecture"):
        replace(result, spec=other).model()


def test_evaluation_is_float32_though_the_training_was_bfloat16(tmp_path):
    data, spec = prepared(), run_spec(precision="bfloat16")
    model, likelihood = registry.build_model(spec.variant, image_spec(data))
    weights = model.state_dict()
    trained_in_bf16 = Checkpoint(spec, image_spec(data), data.sha256, 1, weights, weights)
    nll = evaluate_run(trained_in_bf16, data, CPU, tmp_path).nll
    exact = evaluate(model.double(), likelihood, data.splits["test"]).nll
    assert nll == pytest.approx(exact, rel=1e-6), "bfloat16 would be off by more than 1e-4"


def test_a_likelihood_under_another_class_that_is_not_finite_is_told_too():
    """Else the marginal, and the accuracy, would be made of it."""
    model, likelihood = network("independent", conditional=True)
    with torch.no_grad():
        model.network.weight[1] = float("nan")
    split = Split(np.zeros((5, 1, 4, 4), np.uint8), np.zeros(5, np.int64))
    assert np.isfinite(evaluate(model, likelihood, split).per_image).all()
    with pytest.raises(RunFailed, match="likelihood of 5 of 5 images is NaN or infinite"):
        evaluate(model, likelihood, split, all_classes=True)
