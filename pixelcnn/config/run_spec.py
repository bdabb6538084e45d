"""What decides the result of a run, and its digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pixelcnn.config.fields import at_least, build
from pixelcnn.system.errors import ConfigError
from pixelcnn.system.files import sha256


@dataclass(frozen=True)
class DatasetSpec:
    """Which images, at which size and with how many grey levels."""

    source: str
    image_size: int | None = at_least(1, None)
    levels: int = at_least(2, 256, 256)
    binarize: Literal["threshold", "stochastic"] | None = None
    split_seed: int = at_least(0, 0)

    def __post_init__(self) -> None:
        if self.binarize is not None and self.levels != 2:
            raise ConfigError(f"binarize: {self.binarize} needs levels: 2, got levels: {self.levels}")


@dataclass(frozen=True)
class TrainingSpec:
    """The recipe of a run. Steps are optimizer steps, NLL is in nats per image."""

    epochs: int = at_least(1, 20)
    batch_size: int = at_least(1, 64)
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = at_least(1e-12, 3e-3)
    weight_decay: float = at_least(0, 1e-4)
    warmup_steps: int = at_least(0, 100)
    gradient_clip: float = at_least(1e-12, 1.0)
    ema_decay: float = at_least(0, 0.999, 1 - 1e-12)
    patience: int | None = at_least(1, None)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True)
class VariantSpec:
    """An architecture with its hyper-parameters, and perhaps a recipe of its own."""

    model: str
    conditional: bool = False
    likelihood: Literal["auto", "bernoulli", "categorical"] = "auto"
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunSpec:
    """One training: everything that decides its result, and the names it goes by."""

    benchmark: str
    dataset_name: str
    variant_name: str
    seed: int
    dataset: DatasetSpec
    variant: VariantSpec
    training: TrainingSpec
    own_files: dict[str, str] = field(default_factory=dict)  # path of a user's .py file -> SHA-256

    @property
    def name(self) -> str:
        """dataset/variant/seedN: unique within a benchmark."""
        return f"{self.dataset_name}/{self.variant_name}/seed{self.seed}"

    @property
    def digest(self) -> str:
        """16 hex digits of SHA-256 over what decides the result; names do not."""
        return _digest(
            {
                "dataset": dataclasses.asdict(self.dataset),
                "model": self.variant.model,
                "conditional": self.variant.conditional,
                "likelihood": self.variant.likelihood,
                "hyperparameters": self.variant.hyperparameters,
                "training": dataclasses.asdict(self.training),
                "seed": self.seed,
                "own_files": self.own_files,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `RunSpec.from_json` makes the same spec."""
        return {**dataclasses.asdict(self), "digest": self.digest}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunSpec:
        """The spec that `to_json` wrote.

        Raises:
            ConfigError: if a key is unknown or the digest does not match the content.
        """
        content = {key: item for key, item in value.items() if key != "digest"}
        spec = build(cls, content, "spec")
        if value.get("digest") != spec.digest:
            raise ConfigError(f"spec: digest {value.get('digest')} does not match its content")
        return spec


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dataset_digest(spec: DatasetSpec) -> str:
    """16 hex digits of SHA-256 over a dataset's description and, if it is the user's own, its file."""
    return _digest([dataclasses.asdict(spec), _own_files(spec.source)])


def _own_files(*names: str) -> dict[str, str]:
    """SHA-256 of each name that is a user's own .py file; one that is missing is left to the checks."""
    paths = [Path(name) for name in names if name.endswith(".py")]
    return {str(path): sha256(path) for path in paths if path.is_file()}
