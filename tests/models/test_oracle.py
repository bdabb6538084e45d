"""The oracle's nats are the exact ones, and a benchmark gives each dataset its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.config import GOOD, resolved

from pixelcnn.config.reading import benchmark_from
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.data.preparation import prepare
from pixelcnn.data.sources import markov
from pixelcnn.evaluation.run import evaluate_run
from pixelcnn.models.registry import build_model
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.scheduling.planning import check_benchmark
from pixelcnn.system.errors import ConfigError
from pixelcnn.training.loop import fit, image_spec

CPU = torch.device("cpu")
IMAGES = [60, 20, 50]
#: By rule; of each the first offset that comes to mind, or that of the blind spot.
DATASETS = {
    "grey": {"image_size": 6, "levels": 4, "field": {"rule": "neighbours", "images": IMAGES}},
    "shifted": {
        "image_size": [5, 7],
        "levels": 3,
        "channels": 3,
        "field": {"rule": "neighbours", "label_shift": 0.4, "classes": 3, "images": IMAGES},
    },
    "offsets": {"image_size": 14, "levels": 2, "field": {"rule": "offsets", "images": IMAGES}},
    "far": {
        "image_size": 8,
        "levels": 2,
        "field": {"rule": "offsets", "offsets": [[-1, 5]], "images": IMAGES},
    },
    "label": {"image_size": 4, "levels": 2, "field": {"rule": "label", "classes": 2, "images": IMAGES}},
    "channel": {"image_size": 4, "levels": 2, "channels": 4, "field": {"rule": "channel", "images": IMAGES}},
}


def config_of(names):
    """A description of a benchmark of the oracle on some of `DATASETS`."""
    datasets = {name: {"source": "markov", **DATASETS[name]} for name in names}
    return {**GOOD, "datasets": datasets, "variants": {"oracle": {"model": "oracle"}}, "seeds": [0]}


def run(name: str) -> RunSpec:
    return resolved(config_of([name])).run(name, "oracle", 0)


@pytest.mark.parametrize("name", DATASETS)
def test_nats_by_the_pipeline_are_the_exact_ones(tmp_path, name):
    spec = run(name)
    data = prepare(spec.dataset, tmp_path)
    model, likelihood = build_model(spec.variant, image_spec(data))
    weights = model.state_dict()
    evaluate_run(Checkpoint(spec, image_spec(data), data.sha256, 1, weights, weights), data, CPU, tmp_path)
    test, classes = data.splits["test"], spec.dataset.field.classes
    log_p = np.stack([markov.log_prob(spec.dataset, test.images, np.full(50, y)) for y in range(classes)])
    own = log_p[test.labels, np.arange(50)]
    with np.load(RunFolder(tmp_path).nats) as found:
        np.testing.assert_allclose(found["per_image"], -own.sum(axis=(1, 2, 3)), rtol=2e-6)
        np.testing.assert_allclose(found["per_pixel"], -own.sum(axis=1).mean(axis=0), rtol=2e-6)
        conditional = name in ("shifted", "label")
        assert spec.variant.conditional == conditional
        if conditional:
            marginal = np.log(np.exp(log_p.sum(axis=(2, 3, 4))).mean(axis=0))
            np.testing.assert_allclose(found["marginal_per_image"], -marginal, rtol=2e-6)
        else:
            np.testing.assert_allclose(log_p[0], log_p[-1])
    by_channel = likelihood.log_prob_by_channel(*_given(model, test, conditional)).sum(dim=(2, 3))
    np.testing.assert_allclose(by_channel, own.sum(axis=(2, 3)), rtol=5e-6)


def _given(model, split, conditional):
    x, y = torch.from_numpy(split.images).long(), torch.from_numpy(split.labels)
    return model(x, y if conditional else None), x


def test_it_sees_what_its_field_depends_on_and_nothing_else():
    spec = run("far")
    model, _ = build_model(spec.variant, image_spec(prepare(spec.dataset, None)))
    seen = model.reach()
    assert torch.nonzero(seen[3, 1]).flatten().tolist() == [2 * 8 + 6]
    assert not seen[3, 4].any() and not seen[0].any()


def test_a_training_ends_after_its_first_validation_with_the_weights_it_began_with(tmp_path):
    spec = run("label")
    data = prepare(spec.dataset, tmp_path)
    model, _ = build_model(spec.variant, image_spec(data))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kept = fit(model, data, spec, run_dir=tmp_path, device=CPU)
    for weights in (kept.weights, kept.ema_weights):
        assert all(torch.equal(weights[name], value) for name, value in before.items())
    record, history = RunFolder(tmp_path).record(), RunFolder(tmp_path).history()
    assert (record.status, record.epochs, record.stopped_early, len(history)) == ("finished", 1, True, 1)
    train, valid = (
        -markov.log_prob(spec.dataset, data.splits[n].images, data.splits[n].labels).sum((1, 2, 3)).mean()
        for n in ("train", "valid")
    )
    assert history[0]["train_nll"] == pytest.approx(train, rel=1e-5)
    assert record.best_valid_nll == pytest.approx(valid, rel=1e-5)
    assert history[0]["gradient_norm"] == 0


def test_each_dataset_of_a_benchmark_has_its_own_and_a_plan_says_what_it_is():
    made = resolved(config_of(["grey", "label"]))
    for name in ("grey", "label"):
        spec = made.run(name, "oracle", 0)
        assert spec.variant.hyperparameters["field"]["rule"] == made.datasets[name].field.rule
        assert RunSpec.from_json(spec.to_json()) == spec
    assert {size.truth for size in check_benchmark(made).values()} == {True}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"datasets": GOOD["datasets"]}, "oracle.model: oracle: knows the truth of source: markov alone"),
        (
            {"variants": {"oracle": {"model": "oracle", "likelihood": "categorical"}}},
            "one of its own, tilted",
        ),
        (
            {"variants": {"oracle": {"model": "oracle", "hyperparameters": {"field": {}}}}},
            "field: unknown key",
        ),
        ({"variants": {"oracle": {"model": "oracle", "match_parameters": 30}}}, "has no width"),
    ],
)
def test_what_it_cannot_be_is_refused_in_one_sentence(overrides, words):
    config = {**config_of(["grey"]), **overrides}
    with pytest.raises(ConfigError, match=words):
        check_benchmark(benchmark_from(config))
