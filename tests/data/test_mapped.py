"""Large data: mapped, not held; preparation part by part gives what the whole at once would."""

from __future__ import annotations

import json
import mmap
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data import npz, scratch
from pixelcnn.data.images import draw_binary
from pixelcnn.data.preparation import check_dataset, prepare
from pixelcnn.data.prepared import load_prepared, read_description, save
from pixelcnn.data.scratch import Scratch, chunks
from pixelcnn.system.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 3, 9, 9), dtype=np.uint8)


def is_mapped(array) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


@pytest.fixture
def parts(monkeypatch):
    """Parts of 3 images."""
    monkeypatch.setattr(scratch, "PART", 3 * IMAGES[0].size)


@pytest.fixture
def spec(tmp_path) -> DatasetSpec:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.arange(40) % 2)
    return DatasetSpec("array", path=str(tmp_path / "a.npz"), axes="NCHW", split_seed=3)


@pytest.mark.parametrize(
    "keys",
    [{"levels": 5}, {"image_size": 3}, {"levels": 2, "binarize": "stochastic"}, {}],
)
def test_parts_are_what_the_whole_would_be(tmp_path, monkeypatch, spec, keys):
    """The odd numbers of pixels leave halves of what the generator gave for the next part."""
    asked = DatasetSpec(**{**vars(spec), **keys})
    whole = prepare(asked, tmp_path)
    monkeypatch.setattr(scratch, "PART", 3 * IMAGES[0].size)
    found = prepare(asked, tmp_path)
    assert (found.sha256, found.repeated) == (whole.sha256, whole.repeated)
    for name, split in found.splits.items():
        assert np.array_equal(split.images, whole.splits[name].images)
    if asked.binarize:
        noise = np.random.default_rng([3, 1])
        kept = prepare(spec, tmp_path).splits["valid"].images
        assert np.array_equal(found.splits["valid"].images, draw_binary(np.array(kept), noise))


def test_the_file_is_mapped_and_its_images_may_be_written_to_without_changing_it(tmp_path, spec, parts):
    data = prepare(spec, tmp_path)
    path = tmp_path / "data.npz"
    save(data, path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    with np.load(path, allow_pickle=False) as file:  # as anybody reads it
        assert np.array_equal(file["train_images"], data.splits["train"].images)
        assert file["test_labels"].tolist() == data.splits["test"].labels.tolist()
    found = load_prepared(path).splits["train"].images
    assert is_mapped(found)
    tensor = torch.from_numpy(found)
    assert tensor.data_ptr() == found.ctypes.data
    tensor[0] = 0
    scratch.release(found)
    assert not found[0].any(), "a map that is copied where it is written to keeps what was written"
    assert load_prepared(path).sha256 == data.sha256


def test_files_of_the_first_format_are_read_and_those_of_later_ones_refused(tmp_path, spec):
    data, path = prepare(spec, tmp_path), tmp_path / "data.npz"
    save(data, path)
    with np.load(path) as file:
        arrays = dict(file)
    description = read_description(path)
    for number in (1, 3):
        text = json.dumps(description | {"format": number})
        np.savez_compressed(path, **arrays | {"description": np.array(text)})
        if number == 1:
            found = load_prepared(path)
            assert found.sha256 == data.sha256 and is_mapped(found.splits["valid"].images)
    with pytest.raises(DataError, match=r"data\.npz: prepared data of format 3, written by another version"):
        load_prepared(path)


def test_a_description_of_an_array_reads_no_image(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(npz, "members", None)
    for write in (np.savez, np.savez_compressed):
        write(spec.path, images=np.asfortranarray(IMAGES), labels=np.arange(40) % 5)
        source = check_dataset(spec)
        assert (source.channels, source.size, source.classes) == (3, (9, 9), 5)
    assert npz.outlines(tmp_path / "a.npz")["images"].strides == (0, 0, 0, 0)


def test_arrays_of_any_order_from_any_npz_file(tmp_path):
    given = {
        "a": np.arange(24).reshape(2, 3, 4), "b": np.asfortranarray(np.arange(24.0).reshape(4, 6)),
        "none": np.zeros((0, 3)), "one": np.array("text"),
    }  # fmt: skip
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "a.npz", **given)
        for written_to in (False, True):
            found = npz.members(tmp_path / "a.npz", written_to=written_to)
            assert all(np.array_equal(found[name], array) for name, array in given.items())
            assert is_mapped(found["a"]) and found["a"].flags.writeable == written_to
    content = bytearray((tmp_path / "a.npz").read_bytes())
    np.savez(tmp_path / "a.npz", **given)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[content.index(given["a"].tobytes()) + 8] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        npz.members(tmp_path / "a.npz")


def test_what_was_added_to_a_file_is_read_back_after_its_memory_was_given_back(parts):
    images = Scratch.of(chunks(IMAGES), (3, 9, 9))
    assert is_mapped(images) and [len(part) for part in chunks(images)] == [3] * 13 + [1]
    assert np.array_equal(images, IMAGES)
    images[3] = 7  # a shared map: what is written stays
    assert sum(int((part == 7).all(axis=(1, 2, 3)).sum()) for part in chunks(images)) == 1
    assert (images[3] == 7).all()
    assert Scratch((2, 2, 2)).images().shape == (0, 2, 2, 2)


def test_a_full_disk_is_told_with_what_helps(monkeypatch):
    target = Scratch((3, 9, 9))
    target._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    with pytest.raises(DataError, match=r"No space left on device; .* TMPDIR in the environment"):
        target.add(IMAGES)


def test_a_full_disk_is_no_damaged_file(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES)
    full = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115
    monkeypatch.setattr(npz.tempfile, "TemporaryFile", lambda: full)
    with pytest.raises(DataError, match=r"No space left on device; .* TMPDIR in the environment"):
        npz.members(tmp_path / "a.npz")


def in_files() -> int:
    """Bytes of this process's memory that are mapped files'."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in status if line.startswith(("RssFile", "RssShmem")))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it")
def test_the_memory_of_a_part_is_given_back_before_the_next():
    images = Scratch.of((np.full((64, 1, 256, 256), i, np.uint8) for i in range(12)), (1, 256, 256))
    before = in_files()
    assert sum(int(part[:, 0, ::16, 0].sum()) for part in chunks(images)) == 66 * 64 * 16
    assert in_files() - before < 2 * scratch.PART < images.nbytes / 4
