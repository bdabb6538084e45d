"""Samples drawn while a run trains: one picture after validations 1, 2, 4, 8, ... and the last.

Every picture of a run is drawn with the same noise, so that the same images are seen to develop. Not
imported by `pixelcnn.training`, which only offers the moment: how pictures are drawn makes no run stale.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from pixelcnn.images.grids import save_grid
from pixelcnn.images.pictures import labels_for
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.results.folder import RunFolder
from pixelcnn.sampling.api import sample
from pixelcnn.system.errors import described


def drawer(
    run_dir: Path,
    *,
    n: int,
    seed: int,
    say: Callable[[str], None],
    counted_in: str = "epoch",
) -> Callable[[int, AutoregressiveModel], None]:
    """What draws `n` samples of a model while it trains, of all classes in turn; nothing if `n` is 0.

    It is called with how many epochs, or images if that is what they are `counted_in`, the model has seen.

    A picture that cannot be drawn or written is said, once for each reason, and costs no training.
    """
    reasons: set[str] = set()

    def draw(number: int, model: AutoregressiveModel) -> None:
        path = RunFolder(run_dir).picture(number, counted_in)
        if n == 0 or path.exists():
            return
        device = next(model.parameters()).device
        # Sampling has its own noise, but a network of the user's own may draw: training must not notice.
        try:
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                images = sample(
                    model, model.likelihood, n, seed=seed, y=labels_for(n, model.image.classes, None)
                )
            save_grid(path, images.numpy(), model.image.levels)
        except Exception as error:  # memory, a full disk, a layer of the user's own
            reason = described(error)
            if reason not in reasons:
                say(f"{path.name}: not drawn, nor later pictures for this reason: {reason}")
            reasons.add(reason)

    return draw
