"""Bad images from the command line: one sentence that says what is wrong and where, and a status."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.toy import SMALL, toy

from pixelcnn.cli import main

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)


def refused(folder: Path, capsys, section: dict, said: str, command: str = "prepare", **variant) -> None:
    """The command fails with that one sentence, and nothing is written."""
    network = {"model": "pixelcnn", "hyperparameters": SMALL, **variant}
    toy(folder, datasets={"toy": section}, variants={"base": network})
    assert main([command, "toy.yaml"]) == 2
    error = capsys.readouterr().err.splitlines()
    assert [line for line in error if not line.startswith("reading pictures")] == error[-1:]
    assert re.search(said, error[-1]), error[-1]
    assert not Path("results").exists()


def cut(name: str, size: int) -> None:
    Path(name).write_bytes(Path(name).read_bytes()[:size])


@pytest.mark.parametrize(
    ("make", "file", "said"),
    [
        (lambda: np.save("a.npy", IMAGES[:0]), "a.npy", r"a\.npy: images: has no images, got uint8 \[0, 4"),
        (lambda: np.save("a.npy", IMAGES[:2]), "a.npy", "there are 2 images, too few for 3 splits"),
        (lambda: (np.save("a.npy", IMAGES), cut("a.npy", 500)), "a.npy", "mmap length is greater than file"),
        (lambda: np.save("a.npy", np.array([{}])), "a.npy", "Python objects"),
        (lambda: Path("a.npy").write_bytes(b"text"), "a.npy", "it begins as neither of them does"),
        (lambda: Path("a.npy").touch(), "a.npy", "it begins as neither of them does"),
        (lambda: (np.savez("a.npz", images=IMAGES), cut("a.npz", 900)), "a.npz", "not a zip file"),
        (lambda: np.savez("a.npz", images=IMAGES, labels=np.arange(40) % 2 + 1), "a.npz",
            "no image has the label 0, and one has 2; expected whole numbers from 0 on without a gap"),
        (lambda: np.savez("a.npz", images=IMAGES, labels=np.arange(40) / 2), "a.npz",
            r"labels: expected 40 whole numbers from 0 on, one for each image, got float64 \[40\]"),
        (lambda: np.savez("a.npz", images=IMAGES, labels=-np.arange(40)), "a.npz", "numbers from 0 on, one"),
    ],
)  # fmt: skip
def test_arrays(folder, capsys, make, file, said):
    make()
    refused(folder, capsys, {"source": "array", "path": file, "axes": "NHWC"}, said)


def test_what_is_asked_of_an_array_that_does_not_fit(folder, capsys):
    np.save("a.npy", IMAGES)
    section = {"source": "array", "path": "a.npy", "axes": "NHWC"}
    refused(folder, capsys, section | {"labels": "Smiling"}, r"labels: source: array takes folders or none")
    refused(folder, capsys, section | {"levels": 2}, "levels: 2 needs binarize: threshold", "plan")
    binary = section | {"levels": 2, "binarize": "threshold"}
    refused(folder, capsys, binary, "variants.base.likelihood: bernoulli", "plan", likelihood="bernoulli")
    toy(folder, datasets={"toy": section}, variants={"base": {"model": "pixelcnn", "hyperparameters": SMALL}})
    assert main(["prepare", "toy.yaml"]) == 0


@pytest.fixture
def pictures(folder) -> dict:
    for i in range(8):
        (Path("pictures") / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (i, i, i)).save(Path("pictures") / "ab"[i % 2] / f"{i}.png")
    return {"source": "folder", "path": "pictures", "channels": 3, "image_size": 4}


def test_pictures_and_folders_that_may_not_be_read(folder, capsys, pictures, monkeypatch):
    """By a system that says so: to root, as whom tests may run, all is readable."""
    Path("pictures/a/deeper").mkdir()
    scan, opened = os.scandir, open

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", lambda at=".": (refuse if str(at).endswith("deeper") else scan)(at))
    refused(folder, capsys, pictures, "error: folder: pictures/a/deeper: Permission denied$")
    monkeypatch.setattr("os.scandir", scan)
    locked = (str(Path("pictures/a/2.png")), str(Path("pictures/a/2.png").absolute()))
    monkeypatch.setattr(
        "builtins.open", lambda at, *a, **k: (refuse if str(at) in locked else opened)(at, *a, **k)
    )
    refused(folder, capsys, pictures, r"pictures: cannot read a/2\.png \(Permission denied\); mend or remove")
