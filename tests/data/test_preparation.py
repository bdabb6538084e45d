import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data import preparation
from pixelcnn.data.images import draw_binary
from pixelcnn.data.preparation import prepare
from pixelcnn.data.prepared import load_prepared, save
from pixelcnn.data.sources import binarized_mnist, mnist, mnist5k
from pixelcnn.system.errors import ConfigError, DataError

SMALL = DatasetSpec("mnist5k", image_size=14, levels=16)

REAL_DATA = os.environ.get("PIXELCNN_DATA_ROOT")  # before a fixture hides it

USER_DATASET = """
import numpy as np
from pixelcnn.data.contract import Split
CLASSES, LEVELS, SIZE = 3, 256, 4
def load(data_root, split_seed):
    random = np.random.default_rng(split_seed)
    return {s: Split(random.integers(0, 256, (6, 1, 4, 4), dtype=np.uint8), np.arange(6) % 3)
            for s in ("train", "valid", "test")}
"""


@pytest.fixture
def digits(tmp_path):
    return prepare(SMALL, tmp_path)


def test_the_embedded_digits_are_split_by_class(digits):
    counts = {name: len(split.images) for name, split in digits.splits.items()}
    assert counts == {"train": 4000, "valid": 500, "test": 500}
    for name, each in (("train", 400), ("valid", 50), ("test", 50)):
        assert np.bincount(digits.splits[name].labels).tolist() == [each] * 10
    assert digits.shape == (1, 14, 14)
    assert (digits.levels, digits.classes, digits.dims) == (16, 10, 196)


def test_splits_are_disjoint_and_stable(tmp_path):
    splits = mnist5k.load(tmp_path, 0)
    seen = {name: {image.tobytes() for image in split.images} for name, split in splits.items()}
    assert sum(map(len, seen.values())) == 5000, "the 5,000 digits differ from each other"
    assert not (seen["train"] & seen["valid"] or seen["train"] & seen["test"] or seen["valid"] & seen["test"])
    again = mnist5k.load(tmp_path, 0)
    assert all((again[name].images == splits[name].images).all() for name in splits)
    other = mnist5k.load(tmp_path, 1)
    assert not (other["test"].images == splits["test"].images).all()


def test_the_prepared_numbers_are_those_of_this_release(digits):
    # A change here changes every published number: results before and after do not compare.
    assert digits.sha256 == "f6e40782b1ba9eb4950d06d5f1231a4ec43377cb4b5973084d3f81ea88fa72ce"


def test_pooling_and_quantising_by_hand(tmp_path):
    raw = mnist5k.load(tmp_path, 0)["test"].images[7, 0].astype(int)
    image = prepare(SMALL, tmp_path).splits["test"].images[7, 0]
    for r, c in ((3, 4), (7, 7), (10, 6)):
        mean = raw[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].sum() / 4
        assert image[r, c] == round(mean) * 16 // 256  # round: half to even, as numpy


def test_threshold_is_half_of_the_intensity(tmp_path):
    raw = mnist5k.load(tmp_path, 0)["valid"].images
    binary = prepare(DatasetSpec("mnist5k", None, 2, "threshold"), tmp_path).splits["valid"].images
    assert (binary == (raw >= 128)).all()


def test_stochastic_binarization_fixes_validation_and_test_only(tmp_path):
    spec = DatasetSpec("mnist5k", 14, 2, "stochastic")
    data = prepare(spec, tmp_path)
    assert data.train_is_intensity and data.splits["train"].images.max() > 1
    for name in ("valid", "test"):
        assert set(np.unique(data.splits[name].images)) == {0, 1}
        assert (prepare(spec, tmp_path).splits[name].images == data.splits[name].images).all()
    random = np.random.default_rng(0)
    intensity = np.full((1000, 1, 4, 4), 51, np.uint8)
    assert abs(draw_binary(intensity, random).mean() - 0.2) < 0.02


def test_prepared_data_survive_the_file(digits, tmp_path):
    path = tmp_path / "data.npz"
    save(digits, path)
    back = load_prepared(path)
    assert back.sha256 == digits.sha256 and back.spec == digits.spec
    assert (back.splits["train"].images == digits.splits["train"].images).all()
    assert (back.splits["test"].labels == digits.splits["test"].labels).all()
    assert [p.name for p in tmp_path.iterdir()] == ["data.npz"], "nothing temporary is left"


@pytest.mark.parametrize("damage", ["truncate", "flip", "missing", "text"])
def test_damaged_prepared_data_are_refused(digits, tmp_path, damage):
    path = tmp_path / "data.npz"
    save(digits, path)
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        altered = dict(np.load(path))
        altered["test_images"] = altered["test_images"].copy()
        altered["test_images"][0, 0, 0, 0] ^= 1
        np.savez_compressed(path, **altered)
    elif damage == "text":
        path.write_text("no arrays here", encoding="utf-8")
    else:
        path.unlink()
    with pytest.raises(DataError, match=r"data\.npz"):
        load_prepared(path)


def test_a_damaged_package_file_is_refused(tmp_path, monkeypatch):
    broken = tmp_path / "mnist_5k.csv.gz"
    broken.write_bytes(mnist5k._path().read_bytes()[:5000])
    monkeypatch.setattr(mnist5k, "_path", lambda: broken)
    with pytest.raises(DataError, match=r"mnist_5k\.csv\.gz is damaged"):
        mnist5k.load(tmp_path, 0)


def test_a_dataset_of_ones_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(USER_DATASET, encoding="utf-8")
    data = prepare(DatasetSpec(str(file), 2, 4), tmp_path)
    assert data.shape == (1, 2, 2) and data.levels == 4 and data.classes == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("np.arange(6) % 3", "np.arange(6)", "label 5 is out of range 0..2"),
        ("np.arange(6) % 3", "np.arange(5)", "one label for each of 6"),
        ("np.arange(6) % 3", "None", "one label for each of 6"),
        ("(6, 1, 4, 4)", "(6, 4, 4)", r"\[N, C, 4, 4\]"),
        ("LEVELS, SIZE = 3, 256", "LEVELS, SIZE = 3, 100", "out of range 0..99"),
        ("np.arange(6) % 3", "(np.arange(6) % 3) * 1.0", "integer labels, got float64"),
        ("(6, 1, 4, 4)", "(6, 3, 4, 4)", "1 channel, got 3"),
        ('"test")', '"tset")', "load gave train, valid, tset; expected"),
    ],
)
def test_a_faulty_dataset_is_refused(tmp_path, old, new, said):
    file = tmp_path / "mine.py"
    assert old in USER_DATASET
    file.write_text(USER_DATASET.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=said):
        prepare(DatasetSpec(str(file), levels=4), tmp_path)


def test_a_source_with_fewer_levels_is_quantised_on_its_own_scale(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        USER_DATASET.replace("LEVELS, SIZE = 3, 256", "LEVELS, SIZE = 3, 16").replace("256, (6", "16, (6"),
        encoding="utf-8",
    )
    raw = prepare(DatasetSpec(str(file), levels=16), tmp_path).splits["train"].images
    coarse = prepare(DatasetSpec(str(file), levels=4), tmp_path).splits["train"].images
    assert raw.max() > 7 and (coarse == raw // 4).all()
    binary = prepare(DatasetSpec(str(file), None, 2, "threshold"), tmp_path).splits["train"].images
    assert (binary == (raw >= 8)).all()
    for spec, said in (
        (DatasetSpec(str(file), levels=17), "levels: 17"),
        (DatasetSpec(str(file), None, 2, "stochastic"), "256 levels"),
    ):
        with pytest.raises(ConfigError, match=said):
            prepare(spec, tmp_path)


def test_labels_of_any_integer_type_become_int64(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        USER_DATASET.replace("np.arange(6) % 3", "(np.arange(6) % 3).astype(np.uint8)"), encoding="utf-8"
    )
    assert prepare(DatasetSpec(str(file), levels=4), tmp_path).splits["test"].labels.dtype == np.int64


def test_the_published_files_where_they_are():
    """Success on the real downloads, on machines that have them (PIXELCNN_DATA_ROOT)."""
    if REAL_DATA is None:
        pytest.skip("PIXELCNN_DATA_ROOT is not set")
    counts = {"train": 50_000, "valid": 10_000, "test": 10_000}
    for source, levels in (("mnist", 256), ("binarized_mnist", 2)):
        data = prepare(DatasetSpec(source, levels=levels), Path(REAL_DATA))
        assert {name: len(split.images) for name, split in data.splits.items()} == counts
        assert data.shape == (1, 28, 28) and data.levels == levels


def write_amat(folder, split, lines, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    content = "".join(" ".join(map(str, line)) + "\n" for line in lines).encode()
    path = folder / f"binarized_mnist_{split}.amat{'.gz' if zipped else ''}"
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


@pytest.mark.parametrize("zipped", [False, True])
def test_amat_files_plain_and_zipped(tmp_path, zipped):
    bits = np.random.default_rng(0).integers(0, 2, (5, 784))
    images = binarized_mnist.read_amat(write_amat(tmp_path, "train", bits, zipped))
    assert images.dtype == np.uint8 and (images.reshape(5, 784) == bits).all()


def test_damaged_amat_files_are_refused(tmp_path):
    bits = np.zeros((3, 784), int)
    folder = tmp_path / "binarized_mnist"
    with pytest.raises(DataError, match=r"binarized_mnist_train\.amat.*PIXELCNN_DATA_ROOT"):
        binarized_mnist.load(tmp_path, 0)
    for split in ("train", "valid", "test"):
        path = write_amat(folder, split, bits)
    with pytest.raises(DataError, match="3 images, expected 50000"):
        binarized_mnist.load(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="truncated"):
        binarized_mnist.read_amat(path)
    path.write_text("0 1 2\n", encoding="utf-8")
    with pytest.raises(DataError, match="other characters"):
        binarized_mnist.read_amat(path)
    zipped = write_amat(tmp_path, "test", bits, zipped=True)
    zipped.write_bytes(zipped.read_bytes()[:-12])
    with pytest.raises(DataError, match="truncated or damaged"):
        binarized_mnist.read_amat(zipped)


def test_altered_bits_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(binarized_mnist, "COUNTS", {"train": 2, "valid": 2, "test": 2})
    for split in ("train", "valid", "test"):
        write_amat(tmp_path / "binarized_mnist", split, np.zeros((2, 784), int), zipped=True)
    with pytest.raises(DataError, match="is altered"):
        binarized_mnist.load(tmp_path, 0)


def test_mnist_files_that_are_truncated_are_refused(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in mnist.SHA256:
        (raw / name).write_bytes(b"\x00\x00\x08\x03 too short")
    with pytest.raises(DataError, match="train-images-idx3-ubyte is truncated or altered"):
        mnist.load(tmp_path, 0)


def test_mnist_without_internet_says_where_to_put_the_files(tmp_path, monkeypatch):
    class Offline:
        def __init__(self, root, download):
            raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(mnist, "_torchvision_mnist", lambda: Offline)
    with pytest.raises(DataError) as error:
        mnist.load(tmp_path, 0)
    for words in (str(tmp_path / "MNIST" / "raw"), "train-images-idx3-ubyte", "PIXELCNN_DATA_ROOT"):
        assert words in str(error.value)


def test_the_environment_goes_before_the_config(monkeypatch):
    assert str(preparation.data_root("here")) == "here"
    monkeypatch.setenv("PIXELCNN_DATA_ROOT", "/elsewhere")
    assert str(preparation.data_root("here")) == "/elsewhere"
