"""An independent judge of conditional samples: a small classifier trained on the same data.

It sees real training images only and knows nothing of the models, so its answer says whether a sample
shows what was asked for. It errs, too: its share of right answers on the test split stands beside.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pixelcnn.config.run_spec import dataset_digest
from pixelcnn.data.contract import Split
from pixelcnn.data.images import draw_binary
from pixelcnn.data.prepared import PreparedData
from pixelcnn.models.base import ImageSpec
from pixelcnn.results.checkpoint import DAMAGED, read_tensors
from pixelcnn.system import devices
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import atomic, write_json
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.optimizers import AdamW, gradients_of, learning_rate_factor

FORMAT = 1
#: Of a large data set so many steps are enough: the classifier is not what is measured.
EPOCHS, MOST_STEPS, BATCH_SIZE, LEARNING_RATE = 12, 3000, 64, 3e-3
#: Images that are asked for together; of large ones fewer.
ASKED = 1000
SEED = 0


@dataclass(frozen=True)
class Classifier:
    """A trained classifier, and its share of right answers on `images` test images."""

    network: nn.Module
    levels: int
    accuracy: float
    images: int

    @torch.no_grad()
    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The class that is seen in each of the images [n, C, H, W]: [n]."""
        device = next(self.network.parameters()).device
        _, channels, height, width = images.shape
        parts = torch.from_numpy(images).split(ImageSpec(channels, height, width, self.levels).at_once(ASKED))
        found = [self.network(_scaled(part.to(device), self.levels)).argmax(dim=1) for part in parts]
        return torch.cat(found).cpu().numpy()


def network_for(shape: tuple[int, int, int], classes: int) -> nn.Module:
    """An untrained network for images of a shape (C, H, W)."""
    channels, height, width = shape
    h, w = min(2, height), min(2, width)  # a single row or column is not pooled
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d((h, w)), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(64 * (height // h) * (width // w), 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, classes),
    )  # fmt: skip


def train_classifier(data: PreparedData, device: torch.device, *, seed: int = SEED) -> Classifier:
    """A classifier of labelled data; the same seed gives the same one (same versions, threads, CPU)."""
    train, test = data.splits["train"], data.splits["test"]
    assert data.classes is not None and train.labels is not None and test.labels is not None
    devices.exact_float32()
    # Weights and dropout are drawn by torch's own generator, which is left as it was.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(seed, "classifier"))
        network = network_for(data.shape, data.classes).to(device)
        _train(network, train, data, device, np.random.default_rng(derived_seed(seed, "binarization")))
    classifier = Classifier(network.eval(), data.levels, 0.0, len(test.images))
    accuracy = float((classifier.answers(test.images) == test.labels).mean())
    return Classifier(network, data.levels, accuracy, len(test.images))


def _train(
    network: nn.Module, train: Split, data: PreparedData, device: torch.device, random: np.random.Generator
) -> None:
    batches = -(-len(train.images) // BATCH_SIZE)
    steps = min(EPOCHS * batches, MOST_STEPS)
    weights = dict(network.named_parameters())
    optimizer = AdamW(weights, LEARNING_RATE, weight_decay=0)
    labels = torch.from_numpy(train.labels).to(device)
    for epoch in range(-(-steps // batches)):
        # Binary samples are judged: the training images are drawn anew for every epoch, as for the models.
        drawn = draw_binary(train.images, random) if data.train_is_intensity else train.images
        images = torch.from_numpy(drawn).to(device)
        order = torch.randperm(len(images)).to(device)
        for i, index in enumerate(order.split(BATCH_SIZE)[: steps - epoch * batches]):
            F.cross_entropy(network(_scaled(images[index], data.levels)), labels[index]).backward()
            factor = learning_rate_factor(epoch * batches + i, steps, steps // 4)
            optimizer.step(gradients_of(weights), factor)


def _scaled(images: Tensor, levels: int) -> Tensor:
    """Integers 0..levels-1 as reals 0..1."""
    return images.float() / (levels - 1)


def classify(data: PreparedData, device: torch.device, path: Path) -> Classifier | None:
    """Train the classifier of a dataset and write it to `path` and what it is worth beside it, as .json.

    Without labels there is nothing to train: None, and the files say so.
    """
    classifier = None if data.classes is None else train_classifier(data, device)
    weights = {} if classifier is None else {k: v.cpu() for k, v in classifier.network.state_dict().items()}
    said = {
        "digest": dataset_digest(data.spec),
        "data_sha256": data.sha256,
        "classes": data.classes,
        "accuracy": None if classifier is None else classifier.accuracy,
        "images": 0 if classifier is None else classifier.images,
    }
    buffer = io.BytesIO()  # through memory: torch's own writer reports a full disk as an internal error
    torch.save(
        {"format": FORMAT, "shape": data.shape, "levels": data.levels, "weights": weights} | said, buffer
    )
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
    write_json(path.with_suffix(".json"), said)
    return classifier


def load_classifier(path: Path, data: PreparedData, device: torch.device) -> Classifier:
    """The classifier that `classify` wrote for these data.

    Raises:
        UserError: if it is missing, damaged, of other data, or of data without labels.
    """
    anew = f"`pixelcnn classify` makes it, or remove {path} to let the workflow do so"
    if not path.is_file():
        raise UserError(f"{path}: no classifier there; run `pixelcnn classify` first")
    try:
        value = read_tensors(path)
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, expected {FORMAT}")
        if value["data_sha256"] != data.sha256:
            raise UserError(f"{path}: trained on other data than the prepared ones; {anew}")
        if value["classes"] is None:
            raise UserError(f"{path}: the data have no labels, so there is no classifier")
        network = network_for(tuple(value["shape"]), value["classes"])
        network.load_state_dict(value["weights"])
    except (*DAMAGED, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: damaged classifier: {reason}; {anew}") from error
    return Classifier(network.to(device).eval(), value["levels"], value["accuracy"], value["images"])
