"""What trained models are found to see, to have memorised and to cost."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small import SMALL, prepared, run_spec, stripes
from support.toy import toy

from pixelcnn.analysis.classifier import Classifier, classify, load_classifier, train_classifier
from pixelcnn.analysis.gaps import split_nlls
from pixelcnn.analysis.neighbours import nearest, training_images
from pixelcnn.analysis.receptive import ReceptiveField, effective, reach, receptive_field
from pixelcnn.analysis.run import analyse_run
from pixelcnn.cli import main
from pixelcnn.config.benchmark import AnalysisSpec
from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.data.contract import Split
from pixelcnn.evaluation.likelihoods import evaluate
from pixelcnn.invariants.leaks import randomise
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.errors import UserError
from pixelcnn.system.seeding import pixel_noise
from pixelcnn.training.loop import Observer, fit, image_spec

CPU = torch.device("cpu")


def network(name="pixelcnn", *, conditional=False, levels=4, size=(7, 9), **changes):
    hyperparameters = {**SMALL.get(name, {}), **changes}
    variant = VariantSpec(name, conditional=conditional, hyperparameters=hyperparameters)
    return registry.build_model(registry.resolve(variant), ImageSpec(1, *size, levels, 2))


def images(n, levels=4, size=(7, 9), seed=0):
    random = np.random.default_rng(seed)
    return Split(random.integers(0, levels, (n, 1, *size), dtype=np.uint8), random.integers(0, 2, n))


# ------------------------------------------------------------------------------ receptive fields


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", registry.names())
def test_the_reach_by_gradients_is_that_by_the_layers_taps(name, conditional):
    model, _ = network(name, conditional=conditional)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert torch.equal(reach(model), model.reach()[3, 4].reshape(7, 9))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items()), (
        "the model is left as it was"
    )


@pytest.mark.parametrize("part", ["reach", "effective"])
@pytest.mark.parametrize(
    ("pixel", "leak"), [((2, 8), None), ((3, 3), None), ((3, 4), (3, 4)), ((3, 5), (3, 5)), ((4, 0), (4, 0))]
)
def test_a_field_leaks_where_the_centre_or_a_later_pixel_has_an_influence(part, pixel, leak):
    parts = {"reach": np.zeros((7, 9), bool), "effective": np.zeros((7, 9))}
    parts[part][pixel] = 1
    assert ReceptiveField(**parts).leak == leak


def test_a_blind_spot_is_seen_in_a_plain_stack_and_not_in_a_gated_one():
    plain, _ = network("pixelcnn", first_kernel_size=3, blocks=8)
    gated, _ = network("gated", first_kernel_size=3, blocks=6)
    earlier = torch.arange(63).reshape(7, 9) < 3 * 9 + 4
    assert not reach(plain)[2, 8] and reach(plain)[2, 0], "upper right, beyond the diagonal"
    assert torch.equal(reach(gated), earlier)


@pytest.mark.parametrize("levels", [2, 4])
@pytest.mark.parametrize("name", registry.names())
def test_the_effective_field_is_a_share_of_what_can_be_reached(name, levels):
    model, likelihood = network(name, levels=levels)
    field = receptive_field(randomise(model), likelihood, images(70, levels), images=66)
    assert field.effective.shape == (7, 9) and field.effective.dtype == np.float64
    assert not field.effective[~field.reach].any(), "exactly nothing from where nothing can come"
    assert field.earlier_pixels == 31
    if name == "independent":
        assert not field.effective.any()
        assert (field.reach_pixels, field.effective_pixels, field.effective_radius) == (0, 0, 0.0)
    else:
        assert field.effective.sum() == pytest.approx(1)
        assert 0 < field.effective_pixels <= field.reach_pixels <= 31
        assert 1 <= field.effective_radius < math.hypot(3, 4)


def test_the_effective_field_is_that_of_finite_differences():
    model, likelihood = network(levels=3, size=(3, 3))
    model.double()  # with weights as they begin: random ones leave the centre hardly a choice
    split = images(2, 3, (3, 3))
    step, squares = 1e-5, np.zeros((3, 3))
    entered = model.enter(torch.from_numpy(split.images).long())

    def log_p(features):  # [N, L] of the centre
        return torch.log_softmax(model.network(features, None)[:, :, 1, 1], dim=1)

    with torch.no_grad():
        for r in range(3):
            for c in range(3):
                moved = entered.clone()
                moved[:, 0, r, c] += step
                slope = (log_p(moved) - log_p(entered)) / step
                squares[r, c] = (log_p(entered).exp() * slope**2).sum()
    exact = np.sqrt(squares) / np.sqrt(squares).sum()
    many = Split(split.images.repeat(60, axis=0))  # values of the centre are drawn: many draws of each
    assert effective(model, likelihood, many).numpy() == pytest.approx(exact, abs=0.02)


def test_a_constant_added_to_all_logits_is_no_influence():
    model, likelihood = network("pixelcnn")
    before = effective(model, likelihood, images(8))

    class Shifted(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x, y):
            return self.inner(x, y) + 100 * x[:, :1]

    model.network = Shifted(model.network)
    assert effective(model, likelihood, images(8)) == pytest.approx(before, abs=1e-9)


def test_pixels_and_radius_by_hand():
    influence = np.zeros((5, 5))
    influence[2, 1], influence[1, 2], influence[0, 2], influence[2, 0] = 0.5, 0.3, 0.16, 0.04
    field = ReceptiveField(influence > 0, influence)
    assert (field.centre, field.earlier_pixels, field.reach_pixels) == ((2, 2), 12, 4)
    assert field.effective_pixels == 3, "0.5 + 0.3 + 0.16 are the first to be 95 %"
    assert field.effective_radius == pytest.approx(math.sqrt(0.8 * 1 + 0.2 * 4))


# ------------------------------------------------------------------------------ neighbours, gaps


def test_planted_copies_are_found_and_all_is_as_by_brute_force(monkeypatch):
    monkeypatch.setattr("pixelcnn.analysis.neighbours.BLOCK", 7 * 63)  # seven training images a block
    train, asked = images(50, 256).images, images(9, 256, seed=1).images
    train[40] = train[13]
    asked[2], asked[5] = train[13], train[49]
    index, distance = nearest(asked, train, 256)
    assert (index[2], index[5]) == (13, 49) and (distance[2], distance[5]) == (0, 0)
    differences = (asked[:, None] / 255 - train[None] / 255).reshape(9, 50, -1)
    table = np.sqrt((differences**2).mean(axis=2))
    assert index.tolist() == table.argmin(axis=1).tolist()
    assert distance == pytest.approx(table.min(axis=1), abs=1e-12)


def intensities(n=40):
    data = prepared(labelled=False)
    grey = Split(np.random.default_rng(0).integers(0, 256, (n, 1, 6, 6), dtype=np.uint8))
    return replace(data, train_is_intensity=True, splits={**data.splits, "train": grey})


def test_training_intensities_are_compared_as_binary_images():
    data = intensities()
    assert training_images(data).tolist() == (data.splits["train"].images > 127.5).astype(int).tolist()
    assert training_images(prepared()) is not None and training_images(prepared()).max() == 1


@pytest.mark.parametrize("conditional", [False, True])
def test_gaps_are_likelihoods_of_the_splits(conditional):
    data, spec = prepared(), run_spec(conditional=conditional)
    model, likelihood = registry.build_model(spec.variant, image_spec(data), seed=3)
    train, valid = split_nlls(model.eval(), likelihood, data)
    assert train == evaluate(model, likelihood, data.splits["train"]).nll
    assert valid == evaluate(model, likelihood, data.splits["valid"]).nll != train


def test_training_intensities_are_binarized_the_same_for_every_run():
    data, spec = intensities(), run_spec()
    model, likelihood = registry.build_model(spec.variant, image_spec(data), seed=3)
    assert split_nlls(model, likelihood, data) == split_nlls(model, likelihood, data)
    grey = data.splits["train"].images
    seed = int(hashlib.sha256(b"0/binarization of the training split").hexdigest()[:16], 16) // 2
    drawn = np.random.default_rng(seed).random(grey.shape, dtype=np.float32) < grey / np.float32(255)
    expected = evaluate(model, likelihood, Split(drawn.astype(np.uint8))).nll
    assert split_nlls(model, likelihood, data)[0] == pytest.approx(expected)


# ------------------------------------------------------------------------------ a whole run


class MeanPixel(torch.nn.Module):
    """A classifier that sees class 1 where more than half of the pixels are ones."""

    def __init__(self):
        super().__init__()
        self.middle = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        share = x.mean(dim=(1, 2, 3))
        return torch.stack([self.middle.expand_as(share), share], dim=1)


@pytest.mark.parametrize("samples", [11, 1])
def test_all_that_an_analysis_says_of_a_model_of_independent_pixels_by_hand(tmp_path, samples):
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
    found = analyse_run(result, data, CPU, tmp_path, AnalysisSpec(images=3, samples=samples), judge)
    with np.load(tmp_path / "analysis.npz") as file:
        arrays = dict(file)

    p = 1 / (1 + np.exp(-logits))
    nlls = {}
    for name, split in data.splits.items():
        of_one = p[split.labels]
        nlls[name] = -np.log(np.where(split.images == 1, of_one, 1 - of_one)).sum() / len(split.images)
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


# ------------------------------------------------------------------------------ classifier


@pytest.mark.parametrize(("size", "levels"), [(2, 2), (5, 256)])
def test_a_classifier_learns_stripes_at_any_size(size, levels):
    data = prepared(200, size, levels)
    splits = {
        name: stripes(n, size, levels, i) for i, (name, n) in enumerate({"train": 200, "test": 99}.items())
    }
    judge = train_classifier(replace(data, splits={**data.splits, **splits}), CPU)
    assert judge.accuracy > 0.85 and judge.images == 99


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1)])
def test_a_classifier_takes_images_of_a_single_row_or_column(size):
    def split(n, seed):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 2, n)
        return Split((labels[:, None, None, None] * np.ones((1, 1, *size))).astype(np.uint8), labels)

    data = replace(prepared(), splits={"train": split(200, 0), "valid": split(30, 1), "test": split(99, 2)})
    assert train_classifier(data, CPU).accuracy == 1


def test_a_classifier_reads_channels_and_intensities():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 150)
    colour = np.zeros((150, 3, 4, 4), np.uint8)
    colour[np.arange(150), labels] = 200
    whole = Split(colour, labels)
    binary = Split((colour > 127).astype(np.uint8), labels)
    data = replace(
        prepared(),
        classes=3,
        train_is_intensity=True,
        splits={"train": whole, "valid": binary, "test": binary},
    )
    assert train_classifier(data, CPU).accuracy > 0.95


def test_a_classifier_is_the_same_again_leaves_the_generator_alone_and_comes_back_from_its_file(tmp_path):
    data = prepared()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    judge = classify(data, CPU, tmp_path / "classifier.pt")
    assert torch.equal(torch.rand(3), expected)
    again = train_classifier(data, CPU)
    assert all(
        torch.equal(a, b)
        for a, b in zip(judge.network.state_dict().values(), again.network.state_dict().values(), strict=True)
    )
    assert judge.accuracy == again.accuracy
    said = json.loads((tmp_path / "classifier.json").read_text(encoding="utf-8"))
    assert (said["accuracy"], said["images"], said["data_sha256"]) == (judge.accuracy, 37, data.sha256)
    test = data.splits["test"].images
    read = load_classifier(tmp_path / "classifier.pt", data, CPU)
    assert read.answers(test).tolist() == judge.answers(test).tolist() and read.accuracy == judge.accuracy


def test_without_labels_the_files_say_so_and_nothing_is_judged(tmp_path):
    data = prepared(labelled=False)
    path = tmp_path / "classifier.pt"
    assert classify(data, CPU, path) is None
    said = json.loads((tmp_path / "classifier.json").read_text(encoding="utf-8"))
    assert said["accuracy"] is None and said["classes"] is None and said["images"] == 0
    with pytest.raises(UserError, match="no labels"):
        load_classifier(path, data, CPU)


def test_a_classifier_that_cannot_be_used_is_refused(tmp_path):
    path, data = tmp_path / "classifier.pt", prepared(20)
    with pytest.raises(UserError, match="pixelcnn classify"):
        load_classifier(path, data, CPU)
    classify(data, CPU, path)
    with pytest.raises(UserError, match="other data"):
        load_classifier(path, replace(data, sha256="1" * 64), CPU)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="damaged"):
        load_classifier(path, data, CPU)


# ------------------------------------------------------------------------------ command line


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
def test_a_run_is_analysed_and_its_variant_measured(folder, capsys, variant):
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
    assert found.settings == {"images": 8, "samples": 11}
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
    assert {key: cost[key] for key in plan} == plan
    rounds = [cost[f"{what}_seconds"] for what in ("step", "evaluation", "sampling")]
    assert len({len(values) for values in rounds}) == 1 and len(rounds[0]) >= 3
    assert all(seconds > 0 for values in rounds for seconds in values)


# ------------------------------------------------------------------------------ pictures while training


def test_pictures_change_nothing_but_the_folder(folder):
    recipe = {"training": {"epochs": 5, "batch_size": 16, "warmup_steps": 2}, "seeds": [0]}
    weights = []
    for n in (3, 0):
        toy(folder, tracking={"pictures": n}, **recipe)
        assert main(["train", *run_of("cond"), "--force"]) == 0
        run_dir = folder / "results/toy/toy/cond/seed0"
        names = sorted(path.name for path in (run_dir / "pictures").glob("*"))
        epochs = (1, 2, 4, 5) if n else ()
        assert names == [f"epoch{epoch:05d}.png" for epoch in epochs], "a training begun anew keeps none"
        weights.append(checkpoint.load(run_dir / "checkpoint.pt").weights)
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


def test_a_training_that_goes_on_draws_what_a_kill_prevented_and_forgets_what_it_does_again(tmp_path):
    data, spec = prepared(), run_spec(epochs=4)
    drawn: list[int] = []

    def train(**observed):
        model, likelihood = registry.build_model(spec.variant, image_spec(data))
        observer = Observer(**observed)
        return fit(model, likelihood, data, spec, run_dir=tmp_path, device=CPU, observer=observer)

    class Killed(BaseException):
        pass

    def killed_at_the_end(epoch, model):
        if epoch == 4:
            raise Killed
        assert not model.training
        drawn.append(epoch)

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for epoch in (2, 5):
        (pictures / f"epoch{epoch:05d}.png").touch()
    with pytest.raises(Killed):
        train(pictures=killed_at_the_end)
    assert drawn == [1, 2] and not list(pictures.iterdir()), "those of an earlier training are gone"
    for epoch in (2, 5):
        (pictures / f"epoch{epoch:05d}.png").touch()
    train(pictures=lambda epoch, model: drawn.append(epoch))
    assert drawn == [1, 2, 4] and [path.name for path in pictures.iterdir()] == ["epoch00002.png"]


def test_pictures_count_into_no_time(tmp_path):
    import time

    data, spec = prepared(30), run_spec(epochs=1)
    model, likelihood = registry.build_model(spec.variant, image_spec(data))
    observer = Observer(pictures=lambda epoch, model: time.sleep(3))
    fit(model, likelihood, data, spec, run_dir=tmp_path, device=CPU, observer=observer)
    record = RunFolder(tmp_path).record()
    assert record.training_seconds <= record.wall_seconds < 3
