"""How long a training is: in epochs or in images, never both."""

from __future__ import annotations

import pytest
from support.config import changed, resolved

from pixelcnn.config.budget import Budget
from pixelcnn.config.reading import benchmark_from
from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.system.errors import ConfigError


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (changed("training", "images", 5), "training.epochs, images: .* got epochs: 20 and images: 5"),
        (changed("training", {"batch_size": 5}), "training.epochs, images: .* got neither"),
        (changed("training", ...), "training: missing"),
        (
            changed("variants", "base", "training", {"epochs": 2, "images": 7}),
            "variants.base.training.epochs, images: .* got epochs: 2 and images: 7",
        ),
        (
            changed("variants", "base", "training", {"epochs": None}),
            "variants.base.training.epochs, images: .* got neither",
        ),
        (changed("training", {"images": 0}), "training.images: must be at least 1, got 0"),
    ],
)
def test_a_recipe_has_one_budget(config, said):
    with pytest.raises(ConfigError, match=said):
        benchmark_from(config)


@pytest.mark.parametrize(
    ("general", "own", "expected"),
    [
        ({"epochs": 3}, {"images": 500}, (None, 500)),
        ({"images": 500}, {"epochs": 3}, (3, None)),
        ({"images": 500}, {"images": 600}, (None, 600)),
        ({"epochs": 3}, {"images": None, "epochs": 4}, (4, None)),
        ({"images": 500}, {"learning_rate": 0.1}, (None, 500)),
    ],
)
def test_the_budget_of_a_variant_takes_the_place_of_the_general_one(general, own, expected):
    config = changed("training", general)
    config["variants"]["base"]["training"] = own
    recipe = resolved(config).run("small", "base", 0).training
    assert (recipe.epochs, recipe.images) == expected


def by_hand(recipe: TrainingSpec, a_pass: int) -> tuple[list[int], list[int]]:
    """Images of every step, and the images at which it is validated, counted one after the other."""
    total = recipe.images or recipe.epochs * a_pass
    every = recipe.validate_every or a_pass
    sizes: list[int] = []
    validated: list[int] = []
    due = every
    while sum(sizes) < total:
        left_of_pass = a_pass - sum(sizes) % a_pass
        sizes.append(min(recipe.batch_size, left_of_pass, total - sum(sizes)))
        if sum(sizes) >= due or sum(sizes) == total:
            validated.append(sum(sizes))
            due = (sum(sizes) // every + 1) * every
    return sizes, validated


@pytest.mark.parametrize("length", [{"epochs": 3}, {"images": 1}, {"images": 37}, {"images": 250}])
@pytest.mark.parametrize("every", [None, 1, 10, 37, 100, 250, 9999])
@pytest.mark.parametrize(("a_pass", "batch_size"), [(100, 16), (96, 16), (5, 64), (100, 1)])
def test_steps_and_validations_are_those_counted_by_hand(length, every, a_pass, batch_size):
    recipe = TrainingSpec(**length, validate_every=every, batch_size=batch_size)
    sizes, expected = by_hand(recipe, a_pass)
    budget = Budget.of(recipe, a_pass)
    assert budget.steps == len(sizes)
    assert [budget.images_after(n) for n in range(len(sizes) + 1)] == [
        sum(sizes[:n]) for n in range(len(sizes) + 1)
    ]
    steps, found = 0, []
    while steps < budget.steps:
        steps = budget.next_validation(steps)
        found.append(budget.images_after(steps))
    assert found == expected and len(found) <= budget.validations <= len(found) + 1 + a_pass * (every == 1)
