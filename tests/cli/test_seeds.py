"""What the command line makes of a config's seed and temperature."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from support.toy import toy

from pixelcnn.cli import main
from pixelcnn.data.prepared import load_prepared
from pixelcnn.models.registry import build_model
from pixelcnn.results import checkpoint
from pixelcnn.results.folder import folder_of
from pixelcnn.sampling.api import sample
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.training.loop import fit, image_spec


def test_a_run_begins_with_the_weights_of_its_seed_and_is_drawn_at_the_temperature_of_the_config(folder):
    toy(folder, sampling={"images": 4, "completions": 2, "temperature": 0.3}, training={"epochs": 1})
    run = ["toy.yaml", "--variant", "base", "--seed", "1"]
    assert [main([*c]) for c in (["prepare", "toy.yaml"], ["train", *run])] == [0, 0]
    assert main(["sample", *run, "--also-complete"]) == 0
    benchmark, run_dir = load_resolved("toy.yaml"), folder / "results/toy/toy/base/seed1"
    spec, data = benchmark.run("toy", "base", 1), load_prepared(folder_of(benchmark).dataset("toy").data)

    seed = int(hashlib.sha256(b"1/initialisation").hexdigest()[:16], 16) // 2
    model, likelihood = build_model(spec.variant, image_spec(data), seed=seed)
    again = fit(model, data, spec, run_dir=folder / "again", device=torch.device("cpu"))
    found = checkpoint.load(run_dir / "checkpoint.pt")
    assert all(torch.equal(found.weights[key], value) for key, value in again.weights.items())

    model, likelihood = found.model()
    with np.load(run_dir / "samples.npz") as drawn:
        expected = sample(model, likelihood, 4, seed=1, temperature=0.3)
        assert drawn["images"].tolist() == expected.tolist()
        assert expected.tolist() != sample(model, likelihood, 4, seed=1).tolist()
    with np.load(run_dir / "completions.npz") as drawn:
        given = torch.from_numpy(drawn["originals"][:, :, :3]).repeat_interleave(4, dim=0)
        expected = sample(model, likelihood, 8, seed=1 + 1_000_003, given=given, temperature=0.3)
        assert drawn["completions"].reshape(8, 1, 6, 6).tolist() == expected.tolist()
