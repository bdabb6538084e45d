"""Small networks, small images and small runs."""

from __future__ import annotations

import numpy as np

from pixelcnn.config.run_spec import AugmentSpec, DatasetSpec, RunSpec, TrainingSpec, VariantSpec
from pixelcnn.data.contract import Split
from pixelcnn.data.prepared import PreparedData
from pixelcnn.models.registry import find_architecture, names, resolve

#: Small hyper-parameters of every registered architecture; one that is new runs with its own.
SMALL = {
    "pixelcnn": {"channels": 5, "blocks": 2, "first_kernel_size": 5, "head_channels": 7},
    "gated": {"channels": 5, "blocks": 2, "first_kernel_size": 5, "head_channels": 7},
    "pixelcnn_pp": {"channels": 4, "blocks": 1, "resolutions": 3},
    "attention": {"channels": 4, "blocks": 2, "heads": 2, "first_kernel_size": 5, "head_channels": 7},
    "pixelsnail": {"channels": 4, "blocks": 1, "resnets": 1, "key_size": 2},
    "transformer": {"channels": 4, "blocks": 2, "heads": 2, "mlp_factor": 2},
}
#: Architectures that have something to learn.
TRAINED = [name for name in names() if not find_architecture(name)[0].truth]
#: A recipe that mirrors half of the images.
MIRRORED = {"augment": AugmentSpec("horizontal")}
#: What more a conditional one has.
CONDITIONAL = {"pixelcnn": {"class_maps": 2}, "attention": {"class_maps": 2}}


def stripes(n: int, size: int, levels: int, seed: int) -> Split:
    """Images that can be learnt: class 0 has horizontal, class 1 vertical stripes, with noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    row, column = np.indices((size, size))
    clean = np.where(labels[:, None, None] == 0, row[None] % 2, column[None] % 2) * (levels - 1)
    noisy = np.where(random.random(clean.shape) < 0.1, random.integers(0, levels, clean.shape), clean)
    return Split(noisy[:, None].astype(np.uint8), labels.astype(np.int64))


def prepared(n: int = 100, size: int = 6, levels: int = 2, labelled: bool = True) -> PreparedData:
    splits = {
        name: stripes(count, size, levels, i)
        for i, (name, count) in enumerate({"train": n, "valid": 30, "test": 37}.items())
    }
    if not labelled:
        splits = {name: Split(split.images) for name, split in splits.items()}
    return PreparedData(
        splits=splits,
        levels=levels,
        classes=2 if labelled else None,
        train_is_intensity=False,
        spec=DatasetSpec("stripes.py", size, levels),
        sha256="0" * 64,
    )


def small(model: str = "pixelcnn", *, conditional: bool = False, **hyperparameters) -> VariantSpec:
    """A variant of small size, resolved; `hyperparameters` go before those of `SMALL`."""
    label = CONDITIONAL.get(model, {}) if conditional else {}
    given = {**SMALL.get(model, {}), **label, **hyperparameters}
    return resolve(VariantSpec(model, conditional=conditional, hyperparameters=given))


def run_spec(model: str = "pixelcnn", *, conditional: bool = False, seed: int = 0, **training) -> RunSpec:
    return RunSpec(
        benchmark="tests",
        dataset_name="stripes",
        variant_name=model,
        seed=seed,
        dataset=DatasetSpec("stripes.py", 6, 2),
        variant=small(model, conditional=conditional),
        training=TrainingSpec(**{"epochs": 3, "batch_size": 16, "warmup_steps": 3, **training}),
    )
