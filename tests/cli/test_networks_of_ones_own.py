"""A network of one's own that leaks, or whose incremental form is wrong: what each command makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support import leaks
from support.toy import DATASET, toy

from pixelcnn.cli import main
from pixelcnn.data.prepared import load_prepared
from pixelcnn.invariants import before_training
from pixelcnn.models import registry
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.loop import fit, image_spec

RUN = ["toy.yaml", "--variant", "own", "--seed", "0"]
FOLDER = RunFolder(Path("results/toy/toy/own/seed0"))


def prepare(folder: Path, line: str, **overrides) -> None:
    """A benchmark of the network with this line, on images of 12 x 12 pixels of 12 levels."""
    leaks.network(folder, line)
    toy(folder, variants={"own": {"model": "own.py"}}, seeds=[0], **overrides)
    larger = DATASET.replace("2, 4, 6", "2, 12, 12").replace("6, 6", "12, 12").replace("0, 3)", "0, 11)")
    Path("toy_data.py").write_text(larger, encoding="utf-8")
    toy_config = Path("toy.yaml")
    toy_config.write_text(
        toy_config.read_text(encoding="utf-8").replace('"levels": 4', '"levels": 12'), encoding="utf-8"
    )
    assert main(["prepare", "toy.yaml"]) == 0


@pytest.mark.parametrize("kind", [*leaks.HIDDEN, *leaks.WHILE_TRAINING])
def test_a_network_that_leaks_is_not_trained(folder, capsys, kind):
    prepare(folder, (leaks.HIDDEN | leaks.WHILE_TRAINING)[kind])
    capsys.readouterr()
    assert main(["train", *RUN]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    start = "pixelcnn train: failed: the network leaks, so it is not trained: "
    assert sentence.startswith(start) and sentence.endswith("mode, 12x12, 12 levels)")
    record = FOLDER.attempt.record()
    assert record.status == "failed" and sentence.removeprefix("pixelcnn train: failed: ") in record.error
    assert record.images_seen == 0 and not FOLDER.history() and not FOLDER.checkpoint.exists()


def test_a_training_has_the_weights_that_it_has_without_the_proof(folder):
    prepare(folder, leaks.RIGHT["dropout"])
    assert main(["train", *RUN]) == 0
    benchmark = load_resolved("toy.yaml")
    spec = benchmark.run("toy", "own", 0)
    data = load_prepared(folder_of(benchmark).dataset("toy").data)
    model, _ = registry.build_model(spec.variant, image_spec(data), seed=derived_seed(0, "initialisation"))
    wanted = fit(model, data, spec, run_dir=folder / "other", device=torch.device("cpu"))
    trained = checkpoint.load(FOLDER.checkpoint)
    for kind in ("weights", "ema_weights"):
        a, b = getattr(trained, kind), getattr(wanted, kind)
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_reach_beyond_the_earlier_pixels_fails_the_analysis(folder, capsys, monkeypatch):
    prepare(folder, "h = h + pixel * (columns >= 6)")
    monkeypatch.setattr(before_training, "find_leak", lambda model: None)  # as before there was a proof
    assert main(["train", *RUN]) == main(["sample", *RUN]) == 0
    capsys.readouterr()
    assert main(["analyse", *RUN]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "the network leaks: pixel (6, 6) changes the parameters of the centre, pixel (6, 6)" in sentence
    assert not FOLDER.analysis_file.exists() and not FOLDER.analysis_arrays.exists()


LAYER = """
from dataclasses import dataclass
import torch
from pixelcnn.layers.base import CausalLayer, Chain
from pixelcnn.layers.convolution import masked_conv
from pixelcnn.layers.pointwise import Pointwise
from pixelcnn.models.base import AutoregressiveModel

@dataclass(frozen=True)
class Hyperparameters:
    channels: int = 4

class Own(CausalLayer):
    def forward(self, x, y):
        return torch.tanh(x)
    def reach(self, seen):
        return seen
    def incremental(self, x, y):
        return {form}

class Model(AutoregressiveModel):
    def build(self, hyper):
        n = hyper.channels
        first, last = masked_conv(self.inputs, n, 3, "A"), Pointwise(n, self.parameters_per_pixel, gain=0.1)
        return Chain(first, Own(), last)
"""
WRONG = {
    "raises": "1 / 0",
    "shape": "x.program.map(x, lambda values, out: out.copy_(values[:, :2]), x.channels)",
    "resized": "x.program.map(x, lambda values, out: torch.tanh(values[:, :2], out=out), x.channels)",
    "dtype": "x.program.linear(x, lambda: torch.eye(x.channels).half(), None)",
    "none": "None",
    "arguments": "x.program.map(x, lambda values: values, x.channels)",
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_incremental_form_costs_no_training_and_is_one_sentence(folder, capfd, recwarn, kind):
    Path("own.py").write_text(LAYER.replace("{form}", WRONG[kind]), encoding="utf-8")
    toy(folder, variants={"own": {"model": "own.py"}}, training={"epochs": 4, "batch_size": 16})
    assert main(["prepare", "toy.yaml"]) == 0
    capfd.readouterr()
    assert main(["train", *RUN]) == 0 and FOLDER.record().status == "finished"
    error = capfd.readouterr().err
    assert error.count("not drawn") == 1 and "fails: " in error, "though four pictures were due"
    assert "Traceback" not in error
    assert main(["sample", *RUN]) == 2
    (sentence,) = capfd.readouterr().err.splitlines()
    assert sentence.startswith("pixelcnn sample: error: ") and " fails: " in sentence
    assert not recwarn.list


def test_a_check_of_a_wrong_incremental_form_is_lines_alone(folder, capfd, recwarn):
    warning = "import warnings; warnings.warn('hm'); return torch.tanh"
    text = LAYER.replace("{form}", WRONG["resized"]).replace("return torch.tanh", warning)
    Path("own.py").write_text(text, encoding="utf-8")
    assert main(["check", "own.py"]) == 1
    output = capfd.readouterr()
    assert output.err == "" and not recwarn.list
    assert output.out.count("FAILED  fast sampler") == output.out.count("BROKEN: ") == 12
    *checks, last = output.out.splitlines()
    assert all(line.startswith(("ok", "FAILED")) for line in checks)
    failed = sum(line.startswith("FAILED") for line in checks)
    assert last.startswith(f"own.py: {failed} of {len(checks)} checks failed: fast sampler, wavefront; fast")
