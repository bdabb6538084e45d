"""The commands that need no config: `score`, `sample` and `complete` of a trained model."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.toy import toy

import pixelcnn
from pixelcnn.cli import main
from pixelcnn.trained.pictures import save_maps

RUN = "results/toy/toy/{}/seed0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two trained runs, the conditional one evaluated, and two of the images as pictures."""
    folder = tmp_path_factory.mktemp("toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        toy(folder, training={"epochs": 1, "batch_size": 16})
        commands = [["plan", "toy.yaml"], ["prepare", "toy.yaml"]]
        for variant in ("base", "cond"):
            commands.append(["train", "toy.yaml", "--variant", variant, "--seed", "0"])
        assert [main(command) for command in commands] == [0] * 4
        images = np.load("results/toy/toy/data.npz")["test_images"][:3]
        Path("own").mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image[0] * 85).save(f"own/{i}.png")
    return folder, images


@pytest.fixture
def images(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained[0])
    capsys.readouterr()
    return trained[1]


def test_scores_of_pictures_are_the_likelihoods_of_their_images(images, capsys):
    model = pixelcnn.load(RUN.format("cond"))
    for label, told in (([], None), (["--label", "1"], 1)):
        assert main(["score", RUN.format("cond"), "own/2.png", "own", *label, "--maps", "maps"]) == 0
        out, err = capsys.readouterr()
        assert "pictures are read as grey, quantised to 4 levels, as the images of toy_data.py were" in err
        rows = list(csv.DictReader(io.StringIO(out)))
        assert [row["picture"] for row in rows] == ["own/2.png", "own/0.png", "own/1.png", "own/2.png"]
        nats = model.nats(images[[2, 0, 1, 2]], told)
        assert [float(row["nats"]) for row in rows] == pytest.approx(nats, rel=1e-6)
        assert [float(row["bits_per_dim"]) for row in rows] == pytest.approx(nats / np.log(2) / 36, rel=1e-6)
        assert [float(row["perplexity"]) for row in rows] == pytest.approx(np.exp(nats / 36), rel=1e-6)
        assert {row["label"] for row in rows} == {"" if told is None else "1"}
    names = sorted(path.name for path in Path("maps").iterdir())
    assert names == ["0.png", "1-2.png", "1.png", "4-2.png"]
    assert main(["score", RUN.format("base"), "own", "--out", "scores.csv"]) == 0
    assert "3 pictures" in capsys.readouterr().out and len(Path("scores.csv").read_bytes().splitlines()) == 4


def test_maps_are_the_brighter_the_more_bits_on_one_scale(tmp_path):
    bits = np.random.default_rng(0).random((2, 2, 3))
    assert save_maps(tmp_path, bits, ["a", "b"]) == bits.max()
    maps = [np.asarray(Image.open(tmp_path / f"{name}.png").convert("L")) for name in "ab"]
    assert maps[0].shape == (150, 225)
    shown = np.array(maps)[:, ::75, ::75].astype(int)
    assert (
        np.diff(shown.flat[bits.argsort(axis=None)]) > 0
    ).all() and shown.max() == 245  # the end of the scale


def test_samples_of_a_model_are_those_of_its_run_in_every_form(images):
    run = RUN.format("cond")
    asked = ["-n", "5", "--labels", "1,0"]
    assert main(["sample", "toy.yaml", "--variant", "cond", "--seed", "0", *asked, "--out", "a.npz"]) == 0
    for out in ("b.npz", "b.png", "singles"):
        asked[2] = "--label"  # as it is called where there is one
        assert main(["sample", f"{run}/checkpoint.pt", *asked, "--out", out]) == 0
    with np.load("a.npz") as old, np.load("b.npz") as new:
        assert np.array_equal(old["images"], new["images"]) and np.array_equal(old["labels"], new["labels"])
        singles = [np.asarray(Image.open(f"singles/sample-{i}.png")) for i in range(1, 6)]
        assert np.array_equal(np.array(singles), new["images"][:, 0] * 85)
    assert Image.open("b.png").width > 500


def test_a_picture_is_completed_from_any_part_of_it(images):
    mask = np.random.default_rng(0).random((6, 6)) < 0.5
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save("mask.png")
    rows, columns = np.indices((6, 6))
    for keep, kept in (("upper", rows < 3), ("left", columns < 3), ("mask.png", mask)):
        asked = ["own/1.png", "--label", "1", "--keep", keep]
        for out in ("c.npz", "c.png", "whole"):
            assert main(["complete", RUN.format("cond"), *asked, "--out", out]) == 0
        with np.load("c.npz") as drawn:
            assert drawn["images"].shape == (4, 1, 6, 6) and np.array_equal(drawn["kept"], kept)
            assert (drawn["images"][..., kept] == images[1][..., kept]).all()
            assert len(np.unique(drawn["images"].reshape(4, -1), axis=0)) > 1
            singles = [np.asarray(Image.open(f"whole/1-{i}.png")) for i in range(1, 5)]
            assert np.array_equal(np.array(singles), drawn["images"][:, 0] * 85)


CHECKPOINT = f"{RUN.format('base')}/checkpoint.pt"
COND = RUN.format("cond")
#: A command and what its one sentence holds.
MISTAKES = [
    (["score", "none.pt", "own"], "none.pt: no such file or folder"),
    (["score", "toy.yaml", "own"], "toy.yaml: no model; expected a checkpoint.pt"),
    (["score", "own", "own"], "own: a folder without checkpoint.pt"),
    (["score", CHECKPOINT, "none.png"], "none.png: no such file"),
    (["score", CHECKPOINT, "toy.yaml"], "toy.yaml: not read: cannot identify image file"),
    (["score", CHECKPOINT, "bare"], "bare: a folder without pictures"),
    (["score", CHECKPOINT, "own", "large.png"], "large.png: 7x6 (height x width), expected 6x6"),
    (["score", CHECKPOINT, "own", "--label", "1"], "a label was given to an unconditional model"),
    (["score", COND, "own", "--label", "2"], "labels: expected whole numbers 0..1, got [2]"),
    (["score", CHECKPOINT, "a.csv", "--out", "a.csv"], "is what is read; choose another"),
    (["score", CHECKPOINT, "own", "--maps", f"{COND}/pictures"], "is a file of the results"),
    (["score", CHECKPOINT, "own", "--maps", "own"], "own/0.png is what is read; choose another"),
    (["score", CHECKPOINT, "own", "--out", "own"], "--out: expected a .csv file, got own"),
    (["score", CHECKPOINT, "own", "--out", "scores.png"], "--out: expected a .csv file, got scores.png"),
    (["score", CHECKPOINT, "own", "--out", "toy.yaml/a.csv"], "--out: toy.yaml is no folder"),
    (
        ["score", CHECKPOINT, "own", "--maps", "/proc/maps"],
        "--maps: /proc/maps cannot be written to: ",
    ),
    (
        ["score", "text.pt", "own"],
        "text.pt: not loaded: no checkpoint, or damaged: it is cut off, or no file",
    ),
    (["score", "other.pt", "own"], "other.pt: not a checkpoint of format 1"),
    (
        ["score", "going", "own"],
        "going: a run that is still training, or was interrupted: it has no model yet",
    ),
    (["score", CHECKPOINT], "Missing argument 'PICTURES...'"),
    (["sample", CHECKPOINT, "--out", "toy.yaml/x.npz"], "--out: toy.yaml is no folder"),
    (["sample", CHECKPOINT, "--out", "x.npz", "-n", "0"], "'-n': 0 is not in the range 1<=x"),
    (["sample", CHECKPOINT], "--out: needed, expected an .npz or .png file, or a folder"),
    (
        ["sample", CHECKPOINT, "--out", "x.jpg"],
        "--out: expected an .npz or .png file, or a folder; got x.jpg",
    ),
    (["sample", CHECKPOINT, "--out", f"{COND}/samples.npz"], "is a file of the results"),
    (["sample", CHECKPOINT, "--out", "results/toy/toy/data.npz"], "is a file of the results"),
    (["sample", CHECKPOINT, "--seed", "0", "--out", "x.npz"], "--seed: is for a config"),
    (["sample", CHECKPOINT, "--labels", "1", "--out", "x.npz"], "a label was given to an unconditional"),
    (["sample", COND, "--labels", "2", "--out", "x.npz"], "labels: expected whole numbers 0..1"),
    (["sample", CHECKPOINT, "--out", "x.npz", "--device", "cuda"], "device: cuda was asked for, but torch"),
    (
        ["score", CHECKPOINT, "own", "--device", "gpu"],
        "'--device': 'gpu' is not one of 'auto', 'cpu', 'cuda'",
    ),
    (
        ["sample", "toy.yaml", "--device", "cpu"],
        "--device: is for a trained model, of toy.yaml it is the key",
    ),
    (["sample", "toy.yaml", "--seed", "0"], "Missing option '--variant'"),
    (["complete", COND, "own/0.png", "--out", "x.png"], "needs the label to complete, 0..1"),
    (
        ["complete", CHECKPOINT, "own/0.png", "--keep", "right", "--out", "x.png"],
        "--keep: expected upper, left",
    ),
    (["complete", CHECKPOINT, "own/0.png", "--keep", "large.png", "--out", "x.png"], "7x6 (height x width)"),
    (
        ["complete", CHECKPOINT, "own/0.png", "--keep", "own/0.png", "--out", "x.png"],
        "row 1, column 4 is neither",
    ),
    (
        ["complete", CHECKPOINT, "own/0.png", "--keep", "bare", "--out", "x.png"],
        "the file of a mask, got 'bare'",
    ),
    (
        ["complete", CHECKPOINT, "own/0.png", "--temperature", "0", "--out", "x.png"],
        "the temperature must lie",
    ),
    (["complete", CHECKPOINT, "own/0.png", "--out", "/proc/x"], "--out: /proc/x cannot be written to"),
    (["complete", CHECKPOINT, "own", "--out", "x.png"], "own: a folder, expected a picture"),
    (["complete", CHECKPOINT, "own/0.png", "--out", "own/0.png"], "own/0.png is what is read"),
]


def test_every_mistake_is_one_sentence(images, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Path("bare").mkdir()
    Path("going/training").mkdir(parents=True)
    Path("text.pt").write_text("no checkpoint", encoding="utf-8")
    torch.save({"format": 1}, "other.pt")
    Image.new("L", (6, 7)).save("large.png")
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    for command, said in MISTAKES:
        assert main(command) == 2, command
        out, err = capsys.readouterr()
        assert said in err and err.startswith(f"pixelcnn {command[0]}: error: ") and not out, (command, err)
        assert err.count("\n") == 1, err
    assert {p: p.stat().st_mtime_ns for p in Path().rglob("*") if p.is_file()} == before


def test_pictures_are_compressed_and_come_back_by_the_same_model_alone(images, capsys, tmp_path):
    assert main(["compress", RUN.format("base"), "own", "--out", str(tmp_path / "x.pxc")]) == 0
    assert main(["decompress", RUN.format("base"), str(tmp_path / "x.pxc"), "--out", str(tmp_path)]) == 0
    back = [np.asarray(Image.open(path)) for path in sorted(tmp_path.glob("*.png"))]
    assert np.array_equal(back, images[:, 0].astype(int) * 85)
    capsys.readouterr()
    assert main(["decompress", RUN.format("cond"), str(tmp_path / "x.pxc"), "--out", str(tmp_path)]) == 2
    assert "compressed by another model" in capsys.readouterr().err


def test_arrays_and_labels_that_do_not_fit_are_refused_in_a_sentence(images, capsys, tmp_path):
    def refused(said: str, name: str = "x.npz", **arrays) -> None:
        if arrays:
            np.savez(tmp_path / name, **arrays)
        arguments = ["compress", RUN.format("cond"), str(tmp_path / name), "--out", str(tmp_path / "x.pxc")]
        assert main(arguments) == 2 and said in capsys.readouterr().err

    labels = "expected 3 whole numbers 0..1 beside the images"
    refused(labels, images=images, labels=np.array([0, 7, 1]))
    refused(labels, images=images, labels=np.array([0.7, 0, 1]))
    refused(labels, images=images, labels=np.array(["a", "b", "c"]))
    refused("has no `images`", labels=np.zeros(3, int))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-40])
    refused("cut.npz: not read", "cut.npz")
    assert not (tmp_path / "x.pxc").exists()
