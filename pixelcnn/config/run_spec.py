"""What decides the result of a run, and its digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pixelcnn.config.fields import added, at_least, from_plain, part_of, without_absent
from pixelcnn.config.random_field import FieldSpec
from pixelcnn.system.code_digest import own_files
from pixelcnn.system.errors import ConfigError

#: Of what is written about runs; another one is refused.
FORMAT = 2
ANEW = "written by another version of pixelcnn: delete the run's folder, and it is retrained"

#: Pixels of a row and of a column, at most: networks look at whole images.
LARGEST_IMAGE = 1024
#: Of an image: grey, red, green and blue, or other bands.
MOST_CHANNELS = 16
#: Of a recipe, at most: what is more than these is a slip of the pen, and would never end.
MOST_EPOCHS = 1_000_000
LARGEST_BATCH = 1_000_000
MOST_STEPS = MOST_TRAINED = 10**12
#: Of a network.
MOST_PARAMETERS = 10**12
#: Keys of a dataset that only some sources take.
SOURCE_KEYS = (
    "path", "channels", "crop", "resize", "background", "labels", "shares", "skip_unreadable",
    "axes", "field",
)  # fmt: skip
#: Hyper-parameters of what tells a network the class, which are nothing to one that is not conditional.
LABEL_ONLY = ("class_maps",)
#: Levels up to which "auto" gives those of several channels probabilities of their own.
MOST_CATEGORICAL = 32
#: The keys of a recipe that say how long it is, of which it has one.
BUDGETS = ("epochs", "images")


@dataclass(frozen=True)
class DatasetSpec:
    """Which images, at which size and with how many levels."""

    source: str
    """mnist5k, mnist, binarized_mnist, fashion_mnist, kmnist, cifar10, svhn, celeba, imagenet32, photos,
    markov, folder, array, or the path of a .py file of one's own."""
    image_size: int | tuple[int, ...] | None = at_least(1, None, LARGEST_IMAGE)
    """Height and width after average pooling by a whole factor: one number or [height, width]; null: the
    source's own."""
    levels: int = at_least(2, 256, 256)
    """Of each channel of a pixel."""
    binarize: Literal["threshold", "stochastic"] | None = None
    """With levels: 2; stochastic draws the training images anew for every epoch."""
    split_seed: int = at_least(0, 0)
    """Draws the split of mnist5k and of a folder, the images of markov, and the fixed binarization."""
    path: str | None = added(None, absent=None)
    """Of a folder or an array: where it is."""
    channels: int | None = at_least(1, None, MOST_CHANNELS, absent=None)
    """Of a folder: 1 (grey) or 3 (colour); of markov: 1 to 16."""
    crop: Literal["center"] | None = added(None, absent=None)
    """Of a folder: keep the centre of each picture, of the shape of image_size."""
    resize: Literal["area"] | None = added(None, absent=None)
    """Of a folder: average larger pictures to image_size."""
    background: str | None = added(None, absent=None)
    """Of a folder: the colour behind transparent pixels, such as white or '#ffffff'."""
    labels: str = added("folders", absent="folders")
    """Of a folder or an array: none ignores classes; of a folder, sub-folders are classes. Of celeba: the
    attribute that is the class, such as Smiling."""
    shares: tuple[float, ...] | None = at_least(1e-6, None, 1, absent=None)
    """Of a folder, an array: of training, validation and test images; null: [0.8, 0.1, 0.1]."""
    skip_unreadable: bool = added(False, absent=False)
    """Of a folder: leave out what cannot be read, and count it."""
    axes: Literal["NHW", "NCHW", "NHWC"] | None = added(None, absent=None)
    """Of an array: its axes, images N, channels C (1 to 16), height H and width W."""
    field: FieldSpec | None = added(None, absent=None)  # noqa: RUF009  # a field
    """Of markov: the random field that images are drawn from."""

    def __post_init__(self) -> None:
        if self.binarize is not None and self.levels != 2:
            raise ConfigError(f"binarize: {self.binarize} needs levels: 2, got levels: {self.levels}")
        if self.shares is not None and (len(self.shares) != 3 or abs(sum(self.shares) - 1) > 1e-6):
            raise ConfigError(
                "shares: expected three numbers that sum to 1, of training, validation and test images, "
                f"got {list(self.shares)}"
            )
        if isinstance(self.image_size, tuple) and len(self.image_size) != 2:
            raise ConfigError(
                f"image_size: expected one number or [height, width], got {list(self.image_size)}"
            )

    @property
    def height_width(self) -> tuple[int, int] | None:
        """The size that is asked for; None: the source's own."""
        if isinstance(self.image_size, tuple):
            height, width = self.image_size
            return height, width
        return None if self.image_size is None else (self.image_size, self.image_size)

    def resized(self, height: int, width: int) -> DatasetSpec:
        """The same images at a size, written as one number where that says it: so digests do not differ."""
        return dataclasses.replace(self, image_size=height if height == width else (height, width))


@dataclass(frozen=True)
class AugmentSpec:
    """How training images are changed at random; those of validation and test never are."""

    flip: Literal["horizontal"]
    """Mirror each image left to right with probability 1/2, drawn anew for every epoch."""


@dataclass(frozen=True)
class TrainingSpec:
    """The recipe of a run. Steps are optimizer steps, NLL is in nats per image."""

    epochs: int | None = at_least(1, None, MOST_EPOCHS)
    """Passes over the training images. Either this or `images` is given."""
    images: int | None = at_least(1, None, MOST_TRAINED, absent=None)
    """Train on exactly so many images, over as many passes as it takes."""
    batch_size: int = at_least(1, 16, LARGEST_BATCH)
    """Images a step."""
    optimizer: Literal["muon", "adamw", "adam"] = "muon"
    learning_rate: float = at_least(1e-12, 0.02)
    """The peak: linear warm-up, then a cosine to zero, counted in steps."""
    adam_learning_rate: float = at_least(1e-12, 5e-3, absent=5e-3)
    """With muon: that of AdamW, which trains the last layer and all biases."""
    weight_decay: float = at_least(0, 1e-4)
    warmup_steps: int = at_least(0, 100, MOST_STEPS)
    gradient_clip: float = at_least(1e-12, 1.0)
    """On the norm of the gradient of nats per dimension."""
    ema_decay: float = at_least(0, 0.999, 1 - 1e-12)
    """Of the averaged weights, warmed up; they are what is validated and tested."""
    validate_every: int | None = at_least(1, None, MOST_TRAINED, absent=None)
    """Images from one validation to the next; null: once an epoch. One more comes at the end."""
    patience: int | None = at_least(1, None, MOST_EPOCHS)
    """Stop after so many validations without a better validation NLL; null: never."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Auto takes bfloat16 where it is faster by a tenth, which is measured once a benchmark."""
    augment: AugmentSpec | None = added(None, absent=None)  # noqa: RUF009  # a field
    """Change training images at random, such as {flip: horizontal}; null: train on them as they are."""

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.images is None):
            given = "neither" if self.epochs is None else f"epochs: {self.epochs} and images: {self.images}"
            raise ConfigError(f"epochs, images: expected exactly one of the two as the budget, got {given}")

    def changed(self, keys: Mapping[str, Any]) -> TrainingSpec:
        """The recipe with other values for some keys, which are plain data.

        A budget takes the place of the other kind's.

        Raises:
            ConfigError: if that leaves no budget, or gives two.
        """
        changes = {**dict.fromkeys(_dropped(keys)), **keys}
        if changes.get("augment") is not None:
            changes["augment"] = from_plain(AugmentSpec, changes["augment"], "augment")
        return dataclasses.replace(self, **changes)

    @property
    def counted_in(self) -> Literal["epoch", "images"]:
        """The key of a history line that numbers it: "epoch" where each comes after a whole one."""
        return "epoch" if self.images is None and self.validate_every is None else "images"


def _dropped(keys: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a recipe whose values do not outlast what some of its keys are changed to."""
    return BUDGETS if any(keys.get(key) is not None for key in BUDGETS) else ()


def merged(own: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Some keys of a recipe with other values for some, as `TrainingSpec.changed` does it for a whole one."""
    return {**{key: value for key, value in own.items() if key not in _dropped(keys)}, **keys}


@dataclass(frozen=True)
class VariantSpec:
    """An architecture with its hyper-parameters, and perhaps a recipe of its own.

    Of a resolved one the likelihood is not "auto", and `hyperparameters` has every one that the architecture
    knows, but for those that came later and are at what their absence means. With `match_parameters` the
    width is missing there, since it depends on the dataset: `Benchmark.variant_on` has it.
    """

    model: str
    """pixelcnn, gated, attention, pixelcnn_pp, pixelsnail, transformer, independent, oracle (of images of
    markov), or a .py file of one's own."""
    conditional: bool = False
    """Give the class label to the network."""
    likelihood: str = "auto"
    """auto, bernoulli, categorical, logistic_mixture, tilted, or the path of a .py file of one's own. Auto is
    bernoulli for one channel of two levels, logistic_mixture for several of over 32, else categorical."""
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    """Those of the architecture; what is left out has its default."""
    likelihood_hyperparameters: dict[str, Any] = field(default_factory=dict, metadata={"absent": {}})
    """Those of the likelihood, which must then be named; what is left out has its default."""
    match_parameters: int | None = at_least(1, None, MOST_PARAMETERS, absent=None)
    """In the place of the architecture's width, such as channels: as wide as makes a network of about so many
    parameters, on each dataset."""
    # Plain data: `TrainingSpec.changed` takes it.
    training: dict[str, Any] = part_of(TrainingSpec)  # noqa: RUF009  # a field
    """Keys of the recipe that are others for this variant."""


@dataclass(frozen=True)
class RunSpec:
    """One training, resolved: everything that decides its result, and the names it goes by."""

    benchmark: str
    dataset_name: str
    variant_name: str
    seed: int
    dataset: DatasetSpec
    variant: VariantSpec
    training: TrainingSpec
    own_files: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of the user's own files: `source`, `model`, `likelihood` -> path of each file and of those it imports
    -> SHA-256."""

    @property
    def name(self) -> str:
        """dataset/variant/seedN: unique within a benchmark."""
        return f"{self.dataset_name}/{self.variant_name}/seed{self.seed}"

    @property
    def digest(self) -> str:
        """16 hex digits of SHA-256 over what decides the result; names and paths do not.

        A key that was added since, at what its absence means, changes nothing.
        """
        return _digest(
            {
                "dataset": _dataset(self.dataset, self.own_files.get("source", {})),
                "model": _named(self.variant.model, self.own_files.get("model", {})),
                "conditional": self.variant.conditional,
                "likelihood": _named(self.variant.likelihood, self.own_files.get("likelihood", {})),
                "hyperparameters": self.variant.hyperparameters,
                **_if_any("likelihood_hyperparameters", self.variant.likelihood_hyperparameters),
                "training": without_absent(self.training),
                "seed": self.seed,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `RunSpec.from_json` makes the same spec."""
        return {"format": FORMAT, **dataclasses.asdict(self), "digest": self.digest}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunSpec:
        """The spec that `to_json` wrote.

        Raises:
            ConfigError: if it is of another format, or the digest does not match the content.
        """
        if value.get("format") != FORMAT:
            raise ConfigError(f"spec: format {value.get('format', 1)}, expected {FORMAT}; {ANEW}")
        content = {key: item for key, item in value.items() if key not in ("format", "digest")}
        spec = from_plain(cls, content, "spec")
        variant = spec.variant
        named = {"source": spec.dataset.source, "model": variant.model, "likelihood": variant.likelihood}
        own = {key: _in_order(named[key], files) for key, files in spec.own_files.items() if key in named}
        spec = dataclasses.replace(spec, own_files=own)
        if value.get("digest") != spec.digest:
            raise ConfigError(f"spec: digest {value.get('digest')} does not match its content")
        return spec


def likelihood_for(name: str, levels: int, channels: int = 1) -> str:
    """The name of a likelihood, where "auto" takes what fits such images.

    For one channel bernoulli of two levels, else categorical. For several categorical, whose probabilities
    may have any shape, up to `MOST_CATEGORICAL` levels, and beyond logistic_mixture, which knows that levels
    are in an order.
    """
    if name != "auto":
        return name
    if channels > 1:
        return "categorical" if levels <= MOST_CATEGORICAL else "logistic_mixture"
    return "bernoulli" if levels == 2 else "categorical"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dataset_digest(spec: DatasetSpec) -> str:
    """16 hex digits of SHA-256 over a dataset's description and, if it is the user's own, its files."""
    return _digest(_dataset(spec, own_files(spec.source)))


def _dataset(spec: DatasetSpec, files: Mapping[str, str]) -> dict[str, Any]:
    return {**without_absent(spec), "source": _named(spec.source, files)}


def _if_any(key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a digest that is none where there is nothing to say."""
    return {key: values} if values else {}


def _named(name: str, files: Mapping[str, str]) -> Any:
    """What the name of a source, model, likelihood stands for: of one's own file the code, wherever it is."""
    return list(files.values()) if name.endswith(".py") else name


def _in_order(name: str, files: Mapping[str, str]) -> dict[str, str]:
    """One's own file, then its helpers, as `own_files` has them, in whatever order they were read back."""
    first = str(Path(name))
    return {path: files[path] for path in sorted(files, key=lambda path: (path != first, Path(path)))}
