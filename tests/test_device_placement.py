"""Every part of the package on a GPU that is none: nothing stays on the CPU, the results are those of one."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.covering import covered
from support.networks import network, request
from support.pretended_gpu import GPU, PretendedGpu, plugged_in
from support.small import MIRRORED, TRAINED, prepared, run_spec
from torch import Tensor

from pixelcnn.analysis import classifier, cost
from pixelcnn.analysis.classifier import classify, load_classifier
from pixelcnn.analysis.run import analyse_run
from pixelcnn.config.benchmark import AnalysisSpec, SavingSpec
from pixelcnn.data.contract import Split
from pixelcnn.evaluation import export
from pixelcnn.evaluation.run import evaluate_run
from pixelcnn.images.while_training import drawer
from pixelcnn.models import registry
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.sampling.api import sample
from pixelcnn.sampling.fast import ORDERS, FastSampler
from pixelcnn.sampling.reference import ReferenceSampler
from pixelcnn.sampling.request import Request
from pixelcnn.system.errors import Interrupted
from pixelcnn.trained.model import Trained
from pixelcnn.training.loop import Observer, fit, image_spec

CPU = torch.device("cpu")
DATA = prepared(12, size=4)
#: The same with training images that are drawn anew for every epoch.
INTENSITIES = replace(
    DATA, train_is_intensity=True, splits={**DATA.splits, "train": Split(DATA.splits["train"].images * 200)}
)


@functools.cache
def uncertain(name: str, conditional: bool):
    """A network on the CPU, the same one every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for the images by which it is scaled
        return network(name, conditional, size=(3, 4))


@dataclass(frozen=True)
class Case:
    """An architecture on a device, and a folder to work in."""

    name: str
    conditional: bool
    device: torch.device
    folder: Path

    def checkpoint(self) -> Checkpoint:
        """An untrained run of it."""
        recipe = {"epochs": 2, "batch_size": 8, "precision": "float32", **MIRRORED}
        spec = run_spec(self.name, conditional=self.conditional, **recipe)
        model, _ = registry.build_model(spec.variant, image_spec(DATA))
        return Checkpoint(spec, image_spec(DATA), DATA.sha256, 1, model.state_dict(), model.state_dict())

    def network(self):
        """Weights that make every draw matter, and the likelihood."""
        model, likelihood = uncertain(self.name, self.conditional)
        return copy.deepcopy(model).to(self.device), likelihood

    def request(self, model, seed: int, rows: int) -> Request:
        given = torch.randint(0, 3, (3, 1, rows, 4), generator=torch.Generator().manual_seed(seed))
        asked = request(model, 3, seed=seed, given=given)
        labels = None if asked.labels is None else asked.labels.to(self.device)
        return Request(asked.noise.to(self.device), labels, given.to(self.device), 1.0, True)


def _loss(case: Case) -> Any:
    model, likelihood = case.network()
    x = torch.from_numpy(DATA.splits["test"].images[:, :, :3]).long().to(case.device)
    y = torch.from_numpy(DATA.splits["test"].labels).to(case.device) if case.conditional else None
    params = model(x, y)
    nats = -likelihood.log_prob(params, x).sum()
    if nats.requires_grad:
        nats.backward()
    return [params, nats, *(p.grad for p in model.parameters() if p.grad is not None)]


def _training(case: Case) -> Any:
    """Interrupted in its second epoch and resumed."""
    spec, data = case.checkpoint().spec, DATA if case.conditional else INTENSITIES

    def train(signal: Callable[[], int | None]) -> Checkpoint:
        model, _ = registry.build_model(spec.variant, image_spec(data))
        return fit(
            model, data, spec,
            run_dir=case.folder, device=case.device, saving=SavingSpec(minutes=None),
            observer=Observer(signal=signal),
        )  # fmt: skip

    asked = iter([None] * 3 + [2])
    with pytest.raises(Interrupted):
        train(lambda: next(asked))
    trained = train(lambda: None)
    assert RunFolder(case.folder).record().resumes == 1
    history = [[line["train_nll"], line["valid_nll"]] for line in RunFolder(case.folder).history()]
    return [torch.tensor(history), *trained.weights.values(), *trained.ema_weights.values()]


def _evaluation(case: Case) -> Any:
    evaluate_run(case.checkpoint(), DATA, case.device, case.folder)
    with np.load(RunFolder(case.folder).nats) as arrays:
        return [torch.from_numpy(arrays[name]) for name in sorted(arrays)]


def _sampler(order: Any) -> Callable[[Case], Any]:
    def draw(case: Case) -> Any:
        """The third batch of a kind is the first that a graph would draw."""
        model, likelihood = case.network()
        sampler = FastSampler(model, likelihood, order)
        drawn = [sampler.draw(case.request(model, seed, rows)) for seed, rows in ((0, 1), (1, 1), (2, 1))]
        return [each for one in drawn for each in (one.images, one.parameters)]

    return draw


def _reference_sampler(case: Case) -> Any:
    model, likelihood = case.network()
    drawn = ReferenceSampler(model, likelihood).draw(case.request(model, 0, 1))
    return [drawn.images, drawn.parameters]


def _sampling(case: Case) -> Any:
    model, likelihood = case.network()
    y = torch.arange(4) % 2 if case.conditional else None
    given = torch.ones(4, 1, 1, 4, dtype=torch.uint8)
    return [sample(model, likelihood, 4, seed=0, y=y, given=given, batch_size=2)]


def _use(case: Case) -> Any:
    """A trained model by itself: likelihoods, the label summed out, and completions."""
    model, likelihood = case.network()
    prior = np.array([0.25, 0.75]) if case.conditional else None
    trained = Trained(case.checkpoint(), prior, model, likelihood)
    images = np.random.default_rng(0).integers(0, 3, (3, 1, 3, 4), dtype=np.uint8)
    drawn = trained.complete(images[:2], "left", 2, labels=1 if case.conditional else None, batch_size=3)
    return [torch.from_numpy(trained.nats_by_pixel(images, batch_size=2)), torch.from_numpy(drawn)]


def _picture(case: Case) -> Any:
    """Samples of a network that trains."""
    model, _ = case.network()
    said: list[str] = []
    drawer(case.folder, n=2, seed=0, say=said.append)(1, model)
    assert not said, said
    return [torch.from_numpy(np.array(Image.open(RunFolder(case.folder).picture(1))))]


def _analysis(case: Case) -> Any:
    folder = RunFolder(case.folder)
    np.savez(folder.samples, images=DATA.splits["test"].images[:4])
    path = case.folder / "classifier.pt"
    classify(DATA, case.device, path)
    judge = load_classifier(path, DATA, case.device)
    assert {weight.device for weight in judge.network.parameters()} == {case.device}
    settings, wanted = AnalysisSpec(images=4, samples=4), judge if case.conditional else None
    analyse_run(case.checkpoint(), DATA, case.device, case.folder, settings, wanted)
    with np.load(folder.analysis_arrays) as arrays:
        assert "sample_mirrored" in arrays, "the recipe mirrors images"
        names = sorted(set(arrays) - {"confusion", "judged", "judged_answers"})
        return [torch.from_numpy(arrays[name]) for name in names] + list(judge.network.parameters())


def _measurement(case: Case) -> Any:
    found = cost.measure_cost(case.checkpoint(), DATA, case.device, "float32")
    return [torch.tensor([found.parameters, found.multiply_adds])]


def _export(case: Case) -> Any:
    path = case.folder / "model.safetensors"
    trained = case.checkpoint()
    there = {key: value.to(case.device) for key, value in trained.ema_weights.items()}
    export.save(replace(trained, ema_weights=there), DATA, path)
    return list(export.load(path).checkpoint.ema_weights.values())


PARTS: dict[str, Callable[[Case], list[Tensor]]] = {
    "loss": _loss,
    "training": _training,
    "evaluation": _evaluation,
    **{order: _sampler(order) for order in ORDERS},
    "reference sampler": _reference_sampler,
    "sampling": _sampling,
    "use": _use,
    "picture": _picture,
    "analysis": _analysis,
    "measurement": _measurement,
    "export": _export,
}


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    for name, value in {"SECONDS": 0.0, "IMAGES": 3, "ROUNDS": 1, "WARM_UP": 2}.items():
        monkeypatch.setattr(cost, name, value)
    monkeypatch.setattr(classifier, "MOST_STEPS", 2)


def on_gpu(
    part: str, case: Case, monkeypatch, left_behind: str | None = None
) -> tuple[list[Tensor], PretendedGpu]:
    """The results of a part on the GPU, brought to the CPU."""
    case.folder.mkdir()
    uncertain(case.name, case.conditional)  # made before, as it is asked on the CPU to be made
    with plugged_in(monkeypatch, left_behind) as gpu:
        found = [value.detach().cpu() for value in PARTS[part](case)]
    return found, gpu


CASES = [
    case
    for case in itertools.product(registry.names(), PARTS, (False, True))
    if case[0] in TRAINED or case[1] != "training"
]
#: What does nothing with a network but passes as training, evaluation and the samplers make them: of the
#: networks one will do, and the others are for `--all`.
ALIKE = {"reference sampler", "sampling", "use", "picture", "analysis", "measurement", "export"}
FEW = [case for case in CASES if case[0] == "gated" or case[1] not in ALIKE]
OTHERS = [pytest.param(*case, marks=pytest.mark.product) for case in CASES if case not in FEW]


@pytest.mark.parametrize(("name", "part", "conditional"), covered(FEW) + OTHERS)
def test_on_a_gpu_every_part_computes_there_what_it_computes_on_a_cpu(
    tmp_path, monkeypatch, name, part, conditional
):
    found, gpu = on_gpu(part, Case(name, conditional, GPU, tmp_path / "gpu"), monkeypatch)
    (tmp_path / "cpu").mkdir()
    expected = PARTS[part](Case(name, conditional, CPU, tmp_path / "cpu"))
    # By networks with random weights an analysis finds what can reach a pixel: in float64, on the CPU.
    assert part == "export" or gpu.networks == {GPU, CPU} - ({CPU} if part != "analysis" else set())
    assert len(found) == len(expected)
    for value, other in zip(found, expected, strict=True):
        torch.testing.assert_close(value, other.detach(), rtol=1e-4, atol=1e-5)


#: What may as well lie on the CPU: labels of no images, by which the order of pixels is found.
HARMLESS = ("sampling/fast.py:_labels:",)
#: Parts that put so much on the GPU that to leave each of it behind takes seconds: for `--all`.
LONG = ("picture", "analysis", "measurement")


@pytest.mark.parametrize(
    ("part", "conditional"),
    [*((part, True) for part in PARTS if part != "export" and part not in LONG), ("training", False)]
    + [pytest.param(part, True, marks=pytest.mark.product) for part in LONG],
)
def test_whatever_stays_on_the_cpu_is_seen_in_every_part(tmp_path, monkeypatch, part, conditional):
    """Each line that puts something on the GPU is made to leave it behind."""
    case = Case("gated", conditional, GPU, tmp_path / "sound")
    _, sound = on_gpu(part, case, monkeypatch)
    unseen = []
    for number, line in enumerate(sound.moves):
        try:
            _, gpu = on_gpu(part, replace(case, folder=tmp_path / str(number)), monkeypatch, line)
        except Exception:  # whichever: an operation that fails may be wrapped by who explains it
            continue
        if gpu.networks == sound.networks and not line.startswith(HARMLESS):
            unseen.append(line)
    assert len(sound.moves) > 4 and not unseen
