"""Images side by side."""

from __future__ import annotations

import numpy as np

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


def test_a_grid_of_completions_shows_what_was_given_the_completions_and_the_original():
    originals = np.full((3, 1, 4, 4), 3, np.uint8)
    completions = np.stack([np.full((3, 1, 4, 4), i, np.uint8) for i in (1, 2)], axis=1)
    picture = completion_grid(originals, completions, given_rows=2, levels=4)
    width, height = picture.width / 8, picture.height / 2

    def at(column, part):
        return picture.getpixel((int((column + 0.5) * width), int(part * height)))

    assert [at(i, 0.75) for i in range(4)] == [236, 85, 170, 255], "unknown, two completions, the original"
    assert at(0, 0.25) == 255, "the upper half was given"
