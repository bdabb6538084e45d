import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.small import MIRRORED, TRAINED, prepared, run_spec

from pixelcnn.data.contract import Split
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.models import registry
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import HISTORY_KEYS
from pixelcnn.system import devices
from pixelcnn.system.errors import RunFailed, UserError
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.average import ema_decay
from pixelcnn.training.loop import Observer, fit, image_spec
from pixelcnn.training.optimizers import learning_rate_factor

CPU = torch.device("cpu")


def train(run_dir, spec, data=None, **observed):
    data = data or prepared()
    model, _ = registry.build_model(
        spec.variant, image_spec(data), seed=derived_seed(spec.seed, "initialisation")
    )
    return fit(model, data, spec, run_dir=run_dir, device=CPU, observer=Observer(**observed))


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_every_architecture_learns_and_leaves_its_records(tmp_path, name, conditional):
    spec, data = run_spec(name, conditional=conditional, epochs=5, learning_rate=0.01), prepared(200)
    result = train(tmp_path, spec, data)
    folder = RunFolder(tmp_path)
    record, history = folder.record(), folder.history()
    assert record.status == "finished" and record.error is None and record.ended
    assert record.digest == spec.digest and folder.spec() == spec
    assert [tuple(line) for line in history] == [HISTORY_KEYS] * 5
    assert [line["epoch"] for line in history] == [1, 2, 3, 4, 5]
    assert history[-1]["step"] == 5 * math.ceil(200 / 16)
    assert history[0]["valid_nll"] > history[-1]["valid_nll"], "it learns"
    assert record.best_epoch == result.epoch
    assert record.best_valid_nll == min(line["valid_nll"] for line in history)
    assert record.images_seen == 1000 and 0 < record.training_seconds <= record.wall_seconds
    assert record.parameters == sum(w.numel() for w in result.weights.values())
    assert record.peak_memory_bytes > 1e6


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_the_checkpoint_rebuilds_the_selected_model(tmp_path, name, conditional):
    data = prepared()
    kept = train(tmp_path, run_spec(name, conditional=conditional, **MIRRORED), data)
    loaded = checkpoint.load(tmp_path / "checkpoint.pt")
    assert all(torch.equal(loaded.ema_weights[k], v) for k, v in kept.ema_weights.items())
    model, likelihood = loaded.model()
    nll = evaluate(model, likelihood, data.splits["valid"]).nll
    assert nll == pytest.approx(RunFolder(tmp_path).record().best_valid_nll, rel=1e-5)
    assert not model.training
    assert any(not torch.equal(loaded.weights[k], loaded.ema_weights[k]) for k in loaded.weights)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    weights = [train(tmp_path / str(i), run_spec(seed=seed)).ema_weights for i, seed in enumerate((0, 0, 1))]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert not all(torch.equal(weights[0][k], weights[2][k]) for k in weights[0])


def test_the_baseline_finds_the_histogram_of_every_pixel(tmp_path):
    data = prepared(400, labelled=False)
    spec = run_spec("independent", epochs=40, ema_decay=0.99)
    model, likelihood = train(tmp_path, spec, data).model()
    counts = data.splits["train"].images.mean(axis=0)[0]
    test = data.splits["test"].images[:, 0]
    exact = -(test * np.log(counts) + (1 - test) * np.log(1 - counts)).sum(axis=(1, 2)).mean()
    assert evaluate(model, likelihood, data.splits["test"]).nll == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("when", [1, 3])
def test_a_loss_that_is_not_a_number_fails_the_run(tmp_path, when):
    spec = run_spec(epochs=4)
    data = prepared()
    model, _ = registry.build_model(spec.variant, image_spec(data))

    def spoil(line):
        if line["epoch"] == when:
            with torch.no_grad():
                next(model.parameters()).fill_(math.inf)

    (tmp_path / "metrics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunFailed, match="NaN or infinite"):
        fit(model, data, spec, run_dir=tmp_path, device=CPU, observer=Observer(epoch=spoil))
    record = RunFolder(tmp_path).record()
    assert record.status == "failed" and "NaN or infinite" in record.error
    assert not (tmp_path / "checkpoint.pt").exists()
    assert not (tmp_path / "metrics.json").exists(), "what an earlier training left is void"
    text = (
        (tmp_path / "history.jsonl").read_text(encoding="utf-8")
        if (tmp_path / "history.jsonl").exists()
        else ""
    )
    assert all(math.isfinite(v) for line in text.splitlines() for v in json.loads(line).values())


def test_an_interruption_is_recorded(tmp_path):
    def interrupt(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, run_spec(), epoch=interrupt)
    record = RunFolder(tmp_path).record()
    assert record.status == "interrupted" and "KeyboardInterrupt" in record.error and record.epochs == 1


def test_training_stops_early_when_validation_does_not_improve(tmp_path):
    noise = Split(np.random.default_rng(0).integers(0, 2, (40, 1, 6, 6), dtype=np.uint8))
    data = replace(
        prepared(16, labelled=False), splits={**prepared(16, labelled=False).splits, "valid": noise}
    )
    result = train(tmp_path, run_spec(epochs=200, learning_rate=0.03, patience=2, ema_decay=0.5), data)
    record = RunFolder(tmp_path).record()
    assert record.stopped_early and record.epochs == result.epoch + 2 < 200


def test_progress_is_told_step_by_step(tmp_path):
    steps = []
    train(tmp_path, run_spec(epochs=1), step=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (7, 7)


def test_the_schedule_counts_steps():
    factors = [learning_rate_factor(step, 100, 10) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11) and factors[10] == 1.0
    assert all(a < b for a, b in itertools.pairwise(factors[:11]))
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    assert factors[55] == pytest.approx(0.5) and factors[100] == pytest.approx(0)


def test_averaging_warms_up():
    assert ema_decay(0, 0.999) == pytest.approx(0.1)
    assert ema_decay(10**6, 0.999) == 0.999


def test_bfloat16_trains_to_about_the_same_place(tmp_path):
    nlls = [
        train(tmp_path / p, run_spec(epochs=3, learning_rate=0.01, precision=p))
        and RunFolder(tmp_path / p).record().best_valid_nll
        for p in ("float32", "bfloat16")
    ]
    assert nlls[1] == pytest.approx(nlls[0], rel=0.1) and nlls[0] != nlls[1]
    assert RunFolder(tmp_path / "bfloat16").record().precision == "bfloat16"


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose_device("auto").type == "cpu"
    with pytest.raises(UserError, match="device: cuda"):
        devices.choose_device("cuda")
