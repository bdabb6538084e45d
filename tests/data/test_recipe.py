"""Picture files become the images that preparation would have made of them, or all are refused by name."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import Source, Split
from pixelcnn.data.images import pool, quantise
from pixelcnn.data.recipe import Recipe, opened, pictures
from pixelcnn.system.errors import UserError
from pixelcnn.trained.pictures import brightness, read_back

RAW = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28), dtype=np.uint8)
SOURCE = Source("mnist5k", 10, 256, 1, (28, 28), lambda root, seed: {})


def save(path, pixels, **options):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("size", "levels", "binarize"), [(14, 16, None), (7, 2, "threshold"), (28, 256, None)]
)
def test_pictures_are_pooled_and_quantised_as_the_training_images_were(tmp_path, size, levels, binarize):
    spec = DatasetSpec("mnist5k", size, levels, binarize)
    files = [save(tmp_path / f"{i}.png", image[0]) for i, image in enumerate(RAW)]
    found = Recipe.of(spec, 1, size, size).read(files)
    prepared = quantise(pool(Split(RAW), (size, size)), "train", spec, SOURCE).images
    assert found.dtype == np.uint8 and np.array_equal(found, prepared)


@pytest.mark.parametrize("quantised", [True, False])
def test_a_picture_that_shows_the_models_levels_comes_back_as_these(quantised):
    for levels in range(2, 257):
        raw_levels = 256 if quantised else levels
        recipe = Recipe(DatasetSpec("a.py", None, levels), 1, (1, levels), (1, levels), raw_levels)
        shown = brightness(np.arange(levels, dtype=np.uint8), levels)
        assert shown[0] == 0 and shown[-1] == 255
        assert recipe.image(shown[None, None])[0, 0].tolist() == list(range(levels))


@pytest.mark.parametrize("raw_levels", [5, 7, 100, 256])
def test_so_it_does_whatever_levels_the_source_has(raw_levels):
    for levels in range(3, raw_levels + 1):
        recipe = Recipe(DatasetSpec("a.py", None, levels), 1, (1, levels), (2, 2 * levels), raw_levels)
        shown = read_back(np.arange(levels, dtype=np.uint8), levels, recipe.read_as())
        assert recipe.image(shown[None, None])[0, 0].tolist() == list(range(levels))


def test_stochastic_binarization_draws_a_picture_once_whatever_is_read_beside_it(tmp_path):
    recipe = Recipe.of(DatasetSpec("mnist5k", 28, 2, "stochastic"), 1, 28, 28)
    files = [save(tmp_path / f"{i}.png", image[0]) for i, image in enumerate(RAW)]
    both = recipe.read([files[3], files[1]])
    assert np.array_equal(both[1:], recipe.read([files[1]])) and not np.array_equal(both[0], both[1])
    assert set(np.unique(both)) == {0, 1} and abs(both.mean() - 0.5) < 0.05


def test_colour_that_is_not_square_keeps_its_channels_and_axes(tmp_path):
    spec = DatasetSpec("mnist5k", None, 256)
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    recipe = Recipe(spec, 3, (2, 2), (4, 6), 256)
    expected = np.rint(pixels.reshape(2, 2, 2, 3, 3).mean(axis=(1, 3))).transpose(2, 0, 1)
    assert np.array_equal(recipe.read([save(tmp_path / "a.png", pixels)])[0], expected)
    with pytest.raises(UserError, match=re.escape("b.png: 6x4 (height x width), expected 4x6 or 2x2")):
        recipe.read([save(tmp_path / "b.png", pixels.transpose(1, 0, 2))])
    with pytest.raises(UserError, match=r"a.png: a picture gives 1 .* or 3 .*, the model's images have 4"):
        Recipe(spec, 4, (2, 2), (4, 6), 256).read([tmp_path / "a.png"])


def test_every_picture_that_cannot_be_read_is_named_with_its_reason(tmp_path):
    noise = RAW[0, 0]
    good = save(tmp_path / "good.png", noise)
    files = {
        "empty.png": ": empty, it has no bytes",
        "text.png": ": not read: cannot identify image file",
        "cut.png": ": not read: ",
        "moving.gif": ": animated or of several pages, expected one picture",
        "deep.png": ": pixels of the kind I;16, expected grey or RGB of 8 bits",
        "glass.png": ": transparent, expected a picture without transparency",
        "large.png": ": 29x28 (height x width), expected 28x28 or 14x14",
        "none.png": ": no such file",
    }
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:300])
    others = [Image.fromarray(noise), Image.fromarray(255 - noise)]
    others[0].save(tmp_path / "moving.gif", save_all=True, append_images=others[1:])
    Image.fromarray(noise.astype(np.uint16)).save(tmp_path / "deep.png")
    save(tmp_path / "glass.png", np.dstack([noise] * 4))
    save(tmp_path / "large.png", np.zeros((29, 28)))
    with pytest.raises(UserError) as refused:
        Recipe.of(DatasetSpec("mnist5k", 14, 16), 1, 14, 14).read(
            [good, *(tmp_path / name for name in files)]
        )
    said = str(refused.value).split("; ")
    assert len(said) == len(files)
    for one, (name, reason) in zip(said, files.items(), strict=True):
        assert one.startswith(f"{tmp_path / name}{reason}"), one


def test_pictures_for_a_model_of_a_folder_are_taken_as_the_folder_was(tmp_path):
    spec = DatasetSpec(
        "folder", (6, 4), 16, path="gone", channels=3, crop="center", resize="area", background="white"
    )
    pixels = np.random.default_rng(2).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    recipe = Recipe.of(spec, 3, 6, 4)
    centre = pixels[:, 4:12].reshape(6, 2, 4, 2, 3).mean(axis=(1, 3))
    found = recipe.read([save(tmp_path / "a.png", pixels)])[0]
    assert np.array_equal(found, (np.rint(centre) // 16).transpose(2, 0, 1))
    assert "cropped to their centre and averaged to 6x4, quantised to 16 levels" in recipe.said()
    save(tmp_path / "small.png", pixels[:5])
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(UserError, match=r"small\.png: 5x16 .*; .*text\.png: .*no\.png: "):
        recipe.read([tmp_path / name for name in ("small.png", "text.png", "no.png")])
    with pytest.raises(UserError, match=r"^pictures: 5x16 and not 6x4 \(height x width\)$"):
        recipe.images(pixels[:5].transpose(2, 0, 1)[None])


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    turned = opened(save(tmp_path / "a.png", RAW[0, 0, :4], exif=exif))
    assert (turned.height, turned.width) == (28, 4)


def test_folders_are_walked_in_their_place(tmp_path):
    (tmp_path / "f" / "deep").mkdir(parents=True)
    inside = [save(tmp_path / "f" / name, RAW[0, 0]) for name in ("b.png", "deep/a.jpg")]
    for name in ("notes.txt", ".hidden.png"):
        (tmp_path / "f" / name).touch()
    first = tmp_path / "z.png"
    assert pictures([first, tmp_path / "f", first]) == [first, *inside, first]
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match=r"bare: a folder without pictures$"):
        pictures([tmp_path / "bare"])


def test_where_another_array_lies_now_pictures_have_the_models_size(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((30, 4, 8, 8), np.uint8))
    spec = DatasetSpec("array", 4, 16, path=str(tmp_path / "a.npy"), axes="NCHW")
    assert Recipe.of(spec, 4, 4, 4).images(np.zeros((1, 4, 8, 8), int)).shape == (1, 4, 4, 4)
    assert Recipe.of(spec, 4, 4, 4).said().startswith("pictures are read as 4 channels, those of 8x8 ")
    np.save(tmp_path / "a.npy", np.zeros((30, 4, 9, 9), np.uint8))
    recipe = Recipe.of(spec, 4, 4, 4)
    with pytest.raises(UserError, match=r"^pictures: 9x9 \(height x width\), expected 4x4$"):
        recipe.images(np.zeros((1, 4, 9, 9), int))
