"""Images side by side."""

from __future__ import annotations

import numpy as np

from pixelcnn.images.channels import picture, told
from pixelcnn.images.grids import completion_grid, grid, save_grid


def test_a_grid_places_images_row_by_row(tmp_path):
    images = np.stack([np.full((1, 2, 3), i % 4, np.uint8) for i in range(12)])
    picture = grid(images, levels=4)
    tile_width, tile_height = picture.width / 10, picture.height / 2
    centres = [picture.getpixel((int((i + 0.5) * tile_width), int(0.5 * tile_height))) for i in range(4)]
    assert centres == [0, 85, 170, 255]
    assert picture.getpixel((int(1.5 * tile_width), int(1.5 * tile_height))) == 255, "image 11, second row"
    assert picture.getpixel((0, 0)) == 236, "the frame"
    save_grid(tmp_path / "grid.png", images, 4)
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_each_channel_of_an_image_that_is_neither_grey_nor_rgb_is_a_panel_of_its_own():
    values = np.arange(10, dtype=np.uint8).reshape(2, 5, 1, 1)
    images = np.broadcast_to(values, (2, 5, 2, 3))
    five = np.asarray(picture(images[0]))
    assert five.shape == (2 + 1 + 2, 3 * 3 + 2)
    assert five[0].tolist() == [0, 0, 0, 236, 1, 1, 1, 236, 2, 2, 2]
    assert five[4].tolist() == [3, 3, 3, 236, 4, 4, 4, *[236] * 4], "a place is left over"
    both = grid(images, levels=10)
    shown = {round(255 / 9 * value) for value in range(10)}
    assert both.mode == "L" and set(np.unique(np.asarray(both)).tolist()) == {*shown, 236}
    assert picture(np.broadcast_to(values[0, :3], (3, 2, 3))).getpixel((0, 0)) == (0, 1, 2)
    assert told("Samples", 3) == told("Samples", 1) == "Samples" and "the 2 channels" in told("Samples", 2)


def test_a_grid_of_completions_shows_what_was_given_the_completions_and_the_original():
    originals = np.full((3, 1, 4, 4), 3, np.uint8)
    completions = np.stack([np.full((3, 1, 4, 4), i, np.uint8) for i in (1, 2)], axis=1)
    picture = completion_grid(originals, completions, given_rows=2, levels=4)
    width, height = picture.width / 8, picture.height / 2

    def at(column, part):
        return picture.getpixel((int((column + 0.5) * width), int(part * height)))

    assert [at(i, 0.75) for i in range(4)] == [236, 85, 170, 255], "unknown, two completions, the original"
    assert at(0, 0.25) == 255, "the upper half was given"
