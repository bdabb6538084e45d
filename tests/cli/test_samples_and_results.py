"""What `pixelcnn sample` leaves in the folder of a run is what the config says, or it is not said so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from support.toy import toy

from pixelcnn.cli import main
from pixelcnn.results.folder import RunFolder

RUN = ["toy.yaml", "--variant", "base", "--seed", "0"]
OTHER = ["toy.yaml", "--variant", "base", "--seed", "1"]
FOLDER = RunFolder(Path("results/toy/toy/base/seed0"))


@pytest.fixture
def trained(folder, capsys):
    toy(folder, training={"epochs": 1, "batch_size": 16}, sampling={"images": 4, "completions": 2})
    assert [main(c) for c in (["prepare", "toy.yaml"], ["train", *RUN])] == [0, 0]
    capsys.readouterr()
    return folder


def test_both_flags_for_completions_draw_samples_too(trained):
    assert main(["sample", *RUN, "--complete", "--also-complete"]) == 0
    assert all(path.exists() for path in (FOLDER.samples, FOLDER.completions, FOLDER.sampled))


def test_what_is_said_of_the_pictures_holds_of_both_of_them_or_is_not_said(trained):
    assert main(["sample", *RUN, "--also-complete"]) == 0 and FOLDER.sampled.exists()
    toy(trained, training={"epochs": 1, "batch_size": 16}, sampling={"images": 3, "completions": 2})
    assert main(["sample", *RUN]) == 0  # three samples beside completions of before
    assert not FOLDER.sampled.exists(), "else the config of before would take them for its own"
    assert main(["sample", *RUN, "--also-complete"]) == 0
    assert json.loads(FOLDER.sampled.read_text(encoding="utf-8"))["images"] == 3
    assert main(["sample", *RUN, "--out", "apart.npz"]) == 0 and FOLDER.sampled.exists()


#: Ways to spell a file of the run's folder, from the folder that the command runs in.
SPELLED = [
    "results/toy/toy/base/seed0/samples.npz",
    "results/toy/toy/base/seed0/completions.npz",
    "results/toy/toy/base/seed0/nats.npz",
    "results/toy/toy/base/seed0/analysis.npz",
    "results/toy/toy/base/../base/seed0/samples.npz",
    "linked/samples.npz",
    "a_link.npz",
    "results/toy/toy/base/seed0/pictures/epoch00001.npz",  # its grid would be the .png of an epoch
    "results/toy/toy/data.npz",
]


def test_a_file_of_the_results_cannot_be_written_by_out(trained, capsys):
    Path("linked").symlink_to(FOLDER.path)
    Path("a_link.npz").symlink_to(FOLDER.samples)
    before = {path: path.stat().st_mtime_ns for path in Path("results").rglob("*") if path.is_file()}
    for out in [*SPELLED, str(FOLDER.samples.absolute())]:
        for command in ([*RUN, "--temperature", "0.5"], [*RUN, "--complete"], OTHER):
            assert main(["sample", *command, "--out", out]) == 2, out
            error = capsys.readouterr().err
            assert error.startswith("pixelcnn sample: error: --out: ") and "is a file of the results" in error
    assert {p: p.stat().st_mtime_ns for p in Path("results").rglob("*") if p.is_file()} == before


def test_any_other_place_may_be_named(trained):
    Path("samples.png").write_text("a picture of one's own", encoding="utf-8")
    for out in ("samples.npz", "data.npz", "pictures/a.npz", f"{FOLDER.path}/mine.npz", "no/such/a.npz"):
        assert main(["sample", *RUN, "--out", out, "-n", "2"]) == 0
        with np.load(out) as drawn:
            assert len(drawn["images"]) == 2
        assert Path(out).with_suffix(".png").stat().st_size > 100


def test_a_temperature_that_makes_no_distribution_is_refused(trained, capsys):
    for temperature in ("1e-310", "0", "-1", "inf", "nan", "1e7"):
        assert main(["sample", *RUN, "--temperature", temperature, "--out", "x.npz"]) == 2
        assert "the temperature must lie between 1e-06 and 1e+06" in capsys.readouterr().err
        assert not Path("x.npz").exists()


def test_completions_for_the_report_are_of_the_data_that_it_was_trained_on(trained, capsys):
    """The description of the data is the same, and what its source gave was another."""
    text = Path("toy_data.py").read_text(encoding="utf-8")
    os.environ["SHIFTED"] = ""
    try:
        Path("toy_data.py").write_text(
            text.replace("import numpy", "import os\nimport numpy").replace(
                "split_seed, i", 'split_seed, i, len(os.environ["SHIFTED"])'
            ),
            encoding="utf-8",
        )
        assert [main(c) for c in (["prepare", "toy.yaml"], ["train", *RUN])] == [0, 0]
        os.environ["SHIFTED"] = "yes"
        assert main(["prepare", "toy.yaml"]) == 0
    finally:
        del os.environ["SHIFTED"]
    capsys.readouterr()
    assert main(["sample", *RUN, "--complete"]) == 2
    assert "trained on data with SHA-256" in capsys.readouterr().err
    assert main(["sample", *RUN, "--complete", "--out", "apart.npz"]) == 0
    assert "not those it was trained on" in capsys.readouterr().err
