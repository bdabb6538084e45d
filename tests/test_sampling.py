import numpy as np
import pytest
import torch
from conftest import SMALL

from pixelcnn.config import VariantSpec
from pixelcnn.errors import UserError
from pixelcnn.generators import pixel_noise
from pixelcnn.grids import grid, save_grid
from pixelcnn.invariants import randomise
from pixelcnn.models import registry
from pixelcnn.models.base import ImageSpec
from pixelcnn.sampling import sample


def network(name="pixelcnn", conditional=False, levels=3, size=(4, 5)):
    variant = VariantSpec(name, conditional=conditional, hyperparameters=SMALL.get(name, {}))
    model, likelihood = registry.build_model(variant, ImageSpec(1, *size, levels, 2))
    model = randomise(model)
    *_, weight, bias = [None, *model.parameters()]
    with torch.no_grad():  # parameters of size 1: no pixel is certain, so every draw matters
        x = torch.randint(0, levels, (20, 1, *size))
        scale = model(x, torch.zeros(20).long() if conditional else None).std()
        for last in (weight, bias):
            if last is not None:
                last /= scale
    return model, likelihood


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("name", registry.names())
def test_every_pixel_is_drawn_from_the_parameters_of_the_finished_image(name, levels, conditional):
    model, likelihood = network(name, conditional, levels)
    y = torch.tensor([0, 1, 1]) if conditional else None
    x = sample(model, likelihood, 3, seed=5, y=y)
    assert x.dtype == torch.uint8 and x.shape == (3, 1, 4, 5) and int(x.max()) < levels
    params = model(x.long(), y)
    assert torch.equal(likelihood.sample(params, pixel_noise(5, 0, 3, (1, 4, 5))), x.long())


def test_an_image_does_not_depend_on_how_many_are_drawn():
    model, likelihood = network()
    few, many = (sample(model, likelihood, n, seed=1) for n in (2, 7))
    assert torch.equal(few, many[:2])
    assert not torch.equal(few, sample(model, likelihood, 2, seed=2))


def test_samples_have_the_probabilities_of_the_model():
    model, likelihood = network(levels=2, size=(1, 2))
    drawn = sample(model, likelihood, 20_000, seed=0).flatten(1).long()
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x = torch.tensor([a, b]).reshape(1, 1, 1, 2)
        p = likelihood.log_prob(model(x), x).sum().exp().item()
        assert (drawn == torch.tensor([a, b])).all(dim=1).double().mean().item() == pytest.approx(
            p, abs=0.015
        )


def test_noise_is_keyed_by_image_and_uniform():
    noise = pixel_noise(3, 0, 200, (1, 6, 6))
    assert torch.equal(pixel_noise(3, 150, 10, (1, 6, 6)), noise[150:160])
    assert len(noise.unique()) == noise.numel()
    assert noise.mean().item() == pytest.approx(0.5, abs=0.02) and noise.min() >= 0 and noise.max() < 1


@pytest.mark.parametrize(
    ("conditional", "n", "y", "said"),
    [
        (False, 0, None, "at least 1, got 0"),
        (False, 2, [0, 1], "unconditional"),
        (True, 2, None, "needs labels"),
        (True, 2, [0], "2 labels"),
        (True, 2, [0, 2], r"0\.\.1, got 0\.\.2"),
        (True, 2, [-1, 0], r"0\.\.1, got -1"),
    ],
)
def test_bad_requests_are_refused(conditional, n, y, said):
    model, likelihood = network(conditional=conditional)
    with pytest.raises(UserError, match=said):
        sample(model, likelihood, n, seed=0, y=None if y is None else torch.tensor(y))


@pytest.mark.parametrize(
    ("x", "said"), [(torch.zeros(1, 1, 4, 5), "integer"), (torch.zeros(1, 1, 5, 4).long(), "4, 5")]
)
def test_the_door_of_a_model_refuses_other_images(x, said):
    with pytest.raises(UserError, match=said):
        network()[0](x)


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
