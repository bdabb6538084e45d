"""Data sets that torchvision knows, from tiny files in their original formats."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision.datasets

from pixelcnn.data.sources import cifar10, fashion_mnist, kmnist, svhn
from pixelcnn.system.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(6) % 3


def written(path: Path, content: bytes) -> str:
    """Writes a file; its MD5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def expected(splits, images) -> None:
    """Of six images two were held out for validation; the test images are the same six."""
    for name, part in {"train": slice(0, 4), "valid": slice(4, 6), "test": slice(0, 6)}.items():
        assert (splits[name].images == images[part]).all()
        assert splits[name].labels.tolist() == LABELS[part].tolist()


def test_cifar10(tmp_path, monkeypatch):
    kind, folder = torchvision.datasets.CIFAR10, tmp_path / "cifar-10-batches-py"
    batch = pickle.dumps({"data": IMAGES.reshape(6, -1), "labels": LABELS.tolist()})
    monkeypatch.setattr(kind, "train_list", [["data_batch_1", written(folder / "data_batch_1", batch)]])
    monkeypatch.setattr(kind, "test_list", [["test_batch", written(folder / "test_batch", batch)]])
    meta = written(folder / "batches.meta", pickle.dumps({"label_names": list("abc")}))
    monkeypatch.setattr(kind, "meta", {"filename": "batches.meta", "key": "label_names", "md5": meta})
    monkeypatch.setattr(cifar10, "VALID_IMAGES", 2)
    expected(cifar10.load(tmp_path, 0), IMAGES)
    (folder / "test_batch").write_bytes(batch + b"x")
    monkeypatch.setattr(kind, "url", "file:///no/such")
    with pytest.raises(DataError, match=r"cifar10: not found as published, and .*cifar-10-batches-py into"):
        cifar10.load(tmp_path, 0)


def test_svhn(tmp_path, monkeypatch):
    kind, sums = torchvision.datasets.SVHN, {}
    for split in ("train", "test"):
        path = tmp_path / f"{split}_32x32.mat"
        digits = np.where(LABELS == 0, 10, LABELS)[:, None]  # the file calls the digit 0 so
        scipy.io.savemat(path, {"X": IMAGES.transpose(2, 3, 1, 0), "y": digits})
        sums[split] = ["file:///no/such", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(kind, "split_list", sums)
    monkeypatch.setattr(svhn, "VALID_IMAGES", 2)
    expected(svhn.load(tmp_path, 0), IMAGES)


@pytest.mark.parametrize(("source", "kind"), [(kmnist, "KMNIST"), (fashion_mnist, "FashionMNIST")])
def test_those_in_files_like_mnists(tmp_path, monkeypatch, source, kind):
    raw, grey = tmp_path / kind / "raw", IMAGES[:, 0, :28, :28]
    images = bytes([0, 0, 8, 3]) + np.array([6, 28, 28], ">i4").tobytes() + grey.tobytes()
    labels = bytes([0, 0, 8, 1]) + np.array([6], ">i4").tobytes() + LABELS.astype(np.uint8).tobytes()
    sums = []
    for part in ("train", "t10k"):
        for name, content in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            written(raw / f"{part}-{name}", content)
            path = raw / f"{part}-{name}.gz"
            sums.append((path.name, written(path, gzip.compress(content, mtime=0))))
    monkeypatch.setattr(getattr(torchvision.datasets, kind), "resources", sums)
    monkeypatch.setattr(source, "VALID_IMAGES", 2)
    expected(source.load(tmp_path, 0), grey[:, None])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is missing, truncated or altered"):
        source.load(tmp_path, 0)
