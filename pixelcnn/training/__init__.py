"""Training one run: `fit` and what it is made of."""

from pixelcnn.training import state
from pixelcnn.training.loop import Observer, fit, image_spec

__all__ = ["Observer", "fit", "image_spec", "state"]
