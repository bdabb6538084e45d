"""From a source's raw images to the one file that every run of a dataset reads."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelcnn.config.differences import edited
from pixelcnn.config.run_spec import DatasetSpec
from pixelcnn.data.contract import SPLITS, Loaded, Source, source_of
from pixelcnn.data.images import pool, quantise
from pixelcnn.data.prepared import PreparedData, _content_digest
from pixelcnn.data.raw import checked
from pixelcnn.data.repeated import count_repeated
from pixelcnn.system import plugins
from pixelcnn.system.code_digest import own_files
from pixelcnn.system.errors import ConfigError, DataError, UserError

DATA_ROOT_VARIABLE = "PIXELCNN_DATA_ROOT"


def data_root(configured: str) -> Path:
    """The folder with source files: the environment variable before the config."""
    return Path(os.environ.get(DATA_ROOT_VARIABLE) or configured).expanduser()


def written_size(size: tuple[int, int]) -> str:
    """A height and width as a config has them: one number if they are the same."""
    height, width = size
    return str(height) if height == width else f"[{height}, {width}]"


def check_dataset(spec: DatasetSpec) -> Source:
    """The source of `spec`, if it can give what `spec` asks for; reads no data.

    Raises:
        ConfigError: naming the key that does not fit the source.
    """
    source = source_of(spec)
    size = spec.height_width or source.size
    if any(own % asked for own, asked in zip(source.size, size, strict=True)):
        raise ConfigError(
            f"image_size: {written_size(size)} does not divide {written_size(source.size)}, the size of "
            f"{spec.source}; average pooling needs a whole factor"
        )
    if source.levels == 2:
        if spec.levels != 2 or spec.binarize is not None or size != source.size:
            raise ConfigError(
                f"levels: {spec.source} is binary: it needs levels: 2, no binarize and no other image_size"
            )
    elif spec.levels > source.levels:
        raise ConfigError(f"levels: {spec.levels} is more than the {source.levels} of {spec.source}")
    elif spec.binarize == "stochastic" and source.levels != 256:
        raise ConfigError(f"binarize: stochastic needs 256 levels; {spec.source} has {source.levels}")
    elif spec.levels == 2 and spec.binarize is None:
        raise ConfigError("binarize: levels: 2 needs binarize: threshold or binarize: stochastic")
    return source


def prepare(spec: DatasetSpec, root: Path) -> PreparedData:
    """Load, pool and quantise the images of `spec`; `root` is the data root.

    Raises:
        ConfigError: if the source cannot give what `spec` asks for.
        DataError: if a source file is missing or damaged, or a user's own `load` fails, gives something else,
            or is edited meanwhile.
    """
    code = own_files(spec.source)
    source = check_dataset(spec)
    given = _loaded(source, root, spec.split_seed)
    left_out = given.left_out if isinstance(given, Loaded) else 0
    raw = checked(given.splits if isinstance(given, Loaded) else given, source)
    del given
    if edited(code, own_files(spec.source)):
        raise DataError(f"{spec.source}: edited while it was prepared; prepare it again")
    pooled = {name: pool(raw[name], spec.height_width or source.size) for name in SPLITS}
    splits = {name: quantise(pooled[name], name, spec, source) for name in SPLITS}
    intensities = spec.binarize == "stochastic"
    data = PreparedData(
        splits=splits,
        levels=spec.levels,
        classes=source.classes,
        train_is_intensity=intensities,
        spec=spec,
        # Binary images that were drawn are alike by chance: then what they are drawn from is compared.
        repeated=count_repeated(pooled if intensities else splits),
        left_out=left_out,
    )
    return replace(data, sha256=_content_digest(data))


def _loaded(source: Source, root: Path, split_seed: int) -> Any:
    try:
        return source.load(root, split_seed)
    except UserError:
        raise
    except Exception as error:
        if not source.name.endswith(".py"):
            raise
        raise DataError(f"{source.name}: load failed: {plugins.said_by(error, source.name)}") from error
