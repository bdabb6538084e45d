"""How long a training is: its images, steps and validations, from the recipe and the images of a pass."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pixelcnn.config.run_spec import TrainingSpec


@dataclass(frozen=True)
class Budget:
    """What a recipe means for so many training images. All follows from how many steps are done.

    Attributes:
        a_pass: images of a pass over the training split.
        batch_size: images a step; the last step of a pass and that of the training may have fewer.
        images: images to train on, over as many passes as it takes, the last one perhaps partial.
        validate_every: images from one validation to the next. One comes after the step that completes so
            many, and one at the end.
    """

    a_pass: int
    batch_size: int
    images: int
    validate_every: int

    @classmethod
    def of(cls, recipe: TrainingSpec, a_pass: int) -> Budget:
        """The budget of a recipe where `a_pass` images are to be trained on."""
        images = recipe.images if recipe.epochs is None else recipe.epochs * a_pass
        assert images is not None  # a recipe has one of the two
        return cls(a_pass, recipe.batch_size, images, recipe.validate_every or a_pass)

    @property
    def steps_a_pass(self) -> int:
        """Steps of a whole pass."""
        return math.ceil(self.a_pass / self.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return self.steps_to(self.images)

    @property
    def validations(self) -> int:
        """Validations of the training, at most: those that fall on the same step are one."""
        return min(math.ceil(self.images / self.validate_every), self.steps)

    def steps_to(self, images: int) -> int:
        """Steps until so many images are trained on."""
        passes, rest = divmod(images, self.a_pass)
        return passes * self.steps_a_pass + math.ceil(rest / self.batch_size)

    def images_after(self, steps: int) -> int:
        """Images that so many steps, of those of the training, trained on."""
        passes, rest = divmod(steps, self.steps_a_pass)
        return min(passes * self.a_pass + rest * self.batch_size, self.images)

    def epochs_after(self, steps: int) -> float:
        """Passes that so many steps are: whole ones as an int."""
        images = self.images_after(steps)
        return images / self.a_pass if images % self.a_pass else images // self.a_pass

    def next_validation(self, steps: int) -> int:
        """The step after which the next validation comes, where so many are done."""
        validations = self.images_after(steps) // self.validate_every
        return self.steps_to(min((validations + 1) * self.validate_every, self.images))


def epochs_words(epochs: float) -> str:
    """A number of passes, which may be partial, in as many digits as it needs and three decimals at most."""
    return f"{epochs:.3f}".rstrip("0").rstrip(".")


def so_far(recipe: TrainingSpec, epochs: float, images: int) -> str:
    """How much of its budget a training has used, in what the budget is in: "3 of 10 epochs"."""
    if recipe.images is not None:
        return f"{images:,} of {recipe.images:,} images"
    return f"{epochs_words(epochs)} of {recipe.epochs} epochs"
