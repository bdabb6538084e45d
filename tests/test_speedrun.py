"""What counts as a record, and what as a recipe of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import speedrun
from pixelcnn.system.errors import UserError

RECIPES = Path(speedrun.__file__).parent / "speedruns"


def found(*nats: float) -> list[speedrun.Figures]:
    return [{"nats": one, "seconds": 10.0 + i, "images": 5600} for i, one in enumerate(nats)]


def test_a_record_needs_a_mean_that_is_surely_below_the_target():
    sure = speedrun.line(Path("mine.yaml"), found(89.4, 89.5, 89.6, 89.5, 89.5), 2)
    assert sure.startswith("| mine | 12.0 | 5,600 | 89.50 ± 0.07 |") and "2 threads" in sure
    assert speedrun.line(Path("mine.yaml"), found(88.0, 91.5, 88.0, 91.0, 88.0), 2).startswith("NO RECORD")
    assert speedrun.line(Path("mine.yaml"), found(80.0), 2).startswith("NO RECORD"), "one seed tells nothing"
    assert speedrun.line(Path("mine.yaml"), found(90.4, 90.5, 90.6), 2).startswith("NO RECORD")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_in_the_repository_are_such(path):
    spec, _ = speedrun.recipe(path, 3)
    assert spec.seed == 3 and spec.training.images is not None


def test_what_is_no_recipe_is_refused(tmp_path):
    config = {
        "benchmark": "other",
        "datasets": {"digits": {"source": "mnist5k", "levels": 2, "binarize": "threshold"}},
        "seeds": [0],
        "training": {"images": 100},
        "variants": {"plain": {"model": "pixelcnn"}},
    }
    path = tmp_path / "other.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError, match="binarized_mnist, not of mnist5k"):
        speedrun.recipe(path, 0)
    two = config | {"variants": {"a": {"model": "gated"}, "b": {"model": "gated"}}}
    path.write_text(json.dumps(two), encoding="utf-8")
    with pytest.raises(UserError, match="one variant"):
        speedrun.recipe(path, 0)
