"""All that is said of a run: by hand for one of independent pixels, and by the commands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small import prepared, run_spec
from support.toy import toy

from pixelcnn.analysis import cost as costs
from pixelcnn.analysis.classifier import Classifier
from pixelcnn.analysis.run import analyse_run
from pixelcnn.cli import main
from pixelcnn.config.benchmark import AnalysisSpec
from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.models import registry
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.seeding import pixel_noise
from pixelcnn.training.loop import image_spec

CPU = torch.device("cpu")


class MeanPixel(torch.nn.Module):
    """A classifier that sees class 1 where more than half of the pixels are ones."""

    def __init__(self):
        super().__init__()
        self.middle = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        share = x.mean(dim=(1, 2, 3))
        return torch.stack([self.middle.expand_as(share), share], dim=1)


@pytest.mark.parametrize(("samples", "trained_on"), [(11, None), (1, 7)])
def test_all_that_an_analysis_says_of_a_model_of_independent_pixels_by_hand(tmp_path, samples, trained_on):
    """Its likelihoods and samples follow from a table of probabilities."""
    data = prepared()
    variant = VariantSpec("independent", conditional=True, hyperparameters={"gain": 1.0})
    spec = replace(run_spec(seed=4), variant=variant)
    model, _ = registry.build_model(registry.resolve(variant), image_spec(data))
    logits = np.random.default_rng(1).normal(size=(2, 1, 6, 6))
    averaged = {key: torch.from_numpy(logits).float() for key in model.state_dict()}
    drawn = np.random.default_rng(2).integers(0, 2, (5, 1, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "samples.npz", images=drawn)
    result = checkpoint.Checkpoint(spec, image_spec(data), data.sha256, 1, model.state_dict(), averaged)
    judge = Classifier(MeanPixel(), 2, 0.75, 37)
    settings = AnalysisSpec(images=3, samples=samples, train_images=trained_on)
    found = analyse_run(result, data, CPU, tmp_path, settings, judge)
    with np.load(tmp_path / "analysis.npz") as file:
        arrays = dict(file)

    p = 1 / (1 + np.exp(-logits))
    nlls = {}
    for name, split in data.splits.items():
        of_one = p[split.labels]
        each = -np.log(np.where(split.images == 1, of_one, 1 - of_one)).sum(axis=(1, 2, 3))
        some = trained_on if name == "train" else None
        seed = int(hashlib.sha256(b"0/training images of the gap").hexdigest()[:16], 16) // 2
        chosen = np.random.default_rng(seed).permutation(len(each))[:some]
        nlls[name] = each[chosen].mean()
    assert found.train_nll == pytest.approx(nlls["train"])
    assert found.valid_nll == pytest.approx(nlls["valid"])
    assert len({round(value, 2) for value in nlls.values()}) == 3

    count = max(samples, 2)  # one of each class at least
    wanted = np.arange(count) % 2
    images = pixel_noise(4, 0, count, (1, 6, 6)).numpy() < p[wanted]
    answers = (images.mean(axis=(1, 2, 3)) > 0.5).astype(int)
    confusion = [[int(((wanted == a) & (answers == b)).sum()) for b in (0, 1)] for a in (0, 1)]
    assert arrays["confusion"].tolist() == confusion
    assert arrays["judged"].tolist() == images[:4].astype(int).tolist()
    assert arrays["judged_labels"].tolist() == wanted[:4].tolist()
    assert arrays["judged_answers"].tolist() == answers[:4].tolist()
    assert found.agreement == pytest.approx((answers == wanted).mean())
    assert found.agreement_by_class == pytest.approx(
        [(answers == wanted)[wanted == c].mean() for c in (0, 1)]
    )
    assert (found.agreement_images, found.classifier_accuracy) == (count, 0.75)

    order = np.argsort(data.splits["test"].labels, kind="stable")
    zeros, ones = (order[data.splits["test"].labels[order] == c] for c in (0, 1))
    shown = [zeros[0], ones[0], zeros[1], ones[1], zeros[2]]  # classes in turn
    train = data.splits["train"].images
    for asked, key in ((drawn, "sample_distance"), (data.splits["test"].images[shown], "test_distance")):
        differences = (asked[:, None].astype(float) - train[None]).reshape(5, len(train), -1)
        distances = np.sqrt((differences**2).mean(axis=2)).min(axis=1)
        assert arrays[key] == pytest.approx(distances)
        assert getattr(found, key) == pytest.approx(np.median(distances))


def run_of(variant, seed=0):
    return ["toy.yaml", "--variant", variant, "--seed", str(seed)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy(tmp_path, analysis={"images": 8, "samples": 11})
    assert main(["plan", "toy.yaml"]) == main(["prepare", "toy.yaml"]) == 0
    return tmp_path


def test_what_is_missing_is_named_with_the_command_that_makes_it(folder, capsys):
    def refused(*command):
        assert main([*command]) == 2
        return capsys.readouterr().err

    assert "pixelcnn train" in refused("analyse", *run_of("cond"))
    assert "pixelcnn train" in refused("measure", "toy.yaml", "--variant", "cond")
    assert "'digits'" in refused("classify", "toy.yaml", "--dataset", "digits")
    assert main(["train", *run_of("cond")]) == 0
    assert "pixelcnn classify" in refused("analyse", *run_of("cond"))
    assert main(["classify", "toy.yaml"]) == 0
    assert "pixelcnn sample" in refused("analyse", *run_of("cond"))
    toy(folder, training={"epochs": 1})
    assert "training.epochs: 2 then, 1 now" in refused("analyse", *run_of("cond"))
    Path("results/toy/toy/data.npz").unlink()
    assert "pixelcnn prepare" in refused("classify", "toy.yaml")


@pytest.mark.parametrize("variant", ["base", "cond"])
def test_a_run_is_analysed_and_its_variant_measured(folder, capsys, monkeypatch, variant):
    monkeypatch.setattr(costs, "SECONDS", 0.01)
    run_dir, benchmark = folder / f"results/toy/toy/{variant}/seed0", load_resolved("toy.yaml")
    for command in ("train", "sample"):
        assert main([command, *run_of(variant)]) == 0
    if variant == "cond":  # an unconditional run needs no classifier
        assert main(["classify", "toy.yaml"]) == 0
        assert "of 21 test images" in capsys.readouterr().out
    assert main(["analyse", *run_of(variant)]) == 0
    assert "earlier pixels" in capsys.readouterr().out
    found = RunFolder(run_dir).analysis()
    with np.load(run_dir / "analysis.npz") as file:
        arrays = dict(file)
    assert found.digest == benchmark.run("toy", variant, 0).digest
    assert found.settings == {"images": 8, "samples": 11, "train_images": None}
    model, _ = checkpoint.load(run_dir / "checkpoint.pt").model()
    assert found.valid_nll == pytest.approx(RunFolder(run_dir).record().best_valid_nll)
    assert found.earlier_pixels == 3 * 6 + 3 and found.reach_pixels == model.reach()[3, 3].sum()
    assert arrays["reach"].sum() == found.reach_pixels and arrays["effective"].sum() == pytest.approx(1)
    assert arrays["sample_nearest"].shape == arrays["sample_distance"].shape == (4,)
    assert found.sample_distance == np.median(arrays["sample_distance"])
    assert found.test_distance == np.median(arrays["test_distance"])
    if variant == "base":
        assert found.agreement is None and set(arrays) == {
            *("reach", "effective", "sample_nearest", "sample_distance", "test_distance"),
        }
    else:
        confusion = arrays["confusion"]
        assert confusion.sum(axis=1).tolist() == [6, 5] and found.agreement_images == 11
        assert found.agreement == pytest.approx(confusion.trace() / 11)
        assert found.agreement_by_class == [confusion[0, 0] / 6, confusion[1, 1] / 5]
        assert found.classifier_accuracy > 0.9
        assert arrays["judged"].shape == (4, 1, 6, 6) and arrays["judged_labels"].tolist() == [0, 1, 0, 1]

    assert main(["measure", "toy.yaml", "--variant", variant]) == 0
    assert "a training step" in capsys.readouterr().out
    cost = json.loads(folder_of(benchmark).cost("toy", variant).read_text(encoding="utf-8"))
    plan = json.loads(folder_of(benchmark).plan.read_text(encoding="utf-8"))["toy"][variant]
    assert cost["digest"] == found.digest and cost["batch_size"] == 16 and cost["threads"] == 1
    assert not plan.pop("baseline") and not plan.pop("truth") and {key: cost[key] for key in plan} == plan
    rounds = [cost[f"{what}_seconds"] for what in ("step", "evaluation", "sampling")]
    assert len({len(values) for values in rounds}) == 1 and len(rounds[0]) >= 3
    assert all(seconds > 0 for values in rounds for seconds in values)
