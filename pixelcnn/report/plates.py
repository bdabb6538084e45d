"""The pictures made of images: samples, completions, neighbours, and the test images beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from pixelcnn.images.channels import told
from pixelcnn.images.grids import COLUMNS, by_class, in_turn
from pixelcnn.report import grids
from pixelcnn.report.arrays import load
from pixelcnn.report.collect import DatasetRuns
from pixelcnn.report.compare import VariantResult
from pixelcnn.report.grids import Tile
from pixelcnn.report.pairs import nats_per_image
from pixelcnn.report.style import Drawing, data_uri, save
from pixelcnn.system.errors import DataError
from pixelcnn.system.files import atomic

T = TypeVar("T")

#: Seeds whose samples stand side by side, at most.
SEEDS_SHOWN = 5


@dataclass(frozen=True)
class Plate:
    """A picture as both pages show it: embedded as `uri`, or beside the page as `file`."""

    name: str
    uri: str
    file: str
    caption: str
    alt: str
    width: int | None = None
    height: int | None = None
    heat: bool = False


def as_trained(images: np.ndarray, mirrored: np.ndarray | None) -> np.ndarray:
    """Training images [n, C, H, W], those left to right that are `mirrored` [n or more]; None: none is."""
    if mirrored is None:
        return images
    return np.where(mirrored[: len(images), None, None, None], images[..., ::-1], images)


class Plates:
    """Makes the pictures of one dataset and writes them beside the page; `trouble` says what it left out."""

    def __init__(self, dataset: DatasetRuns, results: Sequence[VariantResult], target: Path) -> None:
        self.dataset, self.results, self.target = dataset, results, target
        self.levels = dataset.spec.levels
        self.trouble: list[str] = []

    def drawing(self, name: str, drawing: Drawing | None) -> Plate | None:
        """A figure, as PNG and SVG beside the page."""
        if drawing is None:
            return None
        stem = f"{self.dataset.name}.{name}"
        uri = save(drawing.figure, self.target / "figures" / stem)
        return Plate(name, uri, f"figures/{stem}.png", drawing.caption, drawing.alt, heat=drawing.heat)

    def images(self, split: str) -> tuple[np.ndarray, np.ndarray | None] | None:
        """Images and labels of a split of the prepared data; None where they are not there or damaged."""
        if not self.dataset.data_file.exists():
            return None
        return self._try(
            partial(grids.read_images, self.dataset.data_file, f"{split}_images", f"{split}_labels")
        )

    def counts(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the splits' images, by split."""
        if not self.dataset.data_file.exists():
            return {}
        return self._try(partial(grids.counts, self.dataset.data_file)) or {}

    def real(self, rows: int) -> Plate | None:
        """Real test images, class after class; without labels drawn at random."""
        found = self.images("test")
        if found is None:
            return None
        images, labels = found
        order = in_turn(len(images), labels)
        return self._grid("real", "Real test images", images[order[: rows * COLUMNS]])

    def samples(self) -> list[Plate]:
        """Samples of each variant, a row a seed, in ranked order."""
        plates = []
        for result in self.results:
            rows: list[np.ndarray] = []
            seeds: list[int] = []
            for run in result.variant.runs:
                if run.samples is None or len(seeds) == SEEDS_SHOWN:
                    continue
                found = self._try(partial(grids.read_images, run.samples, "images", "labels"))
                if found is not None:
                    images, labels = found
                    shown = images[by_class(labels)] if result.conditional and labels is not None else images
                    rows.append(shown[:COLUMNS])
                    seeds.append(run.spec.seed)
            if rows:
                width = min(map(len, rows))
                listed = ", ".join(map(str, seeds))
                words = f"{result.name}, " + (
                    f"seeds {listed}, a row each" if len(seeds) > 1 else f"seed {listed}"
                )
                words += ", class after class" if result.conditional else ""
                tile = np.concatenate([row[:width] for row in rows])
                plates.append(self._grid(f"samples.{result.name}", f"Samples of {words}", tile, width))
        return plates

    def neighbours(self) -> list[Plate]:
        """Samples of each variant's first analysed seed above their nearest training images."""
        train = self.images("train")
        return [] if train is None else list(self._neighbours(train[0]))

    def _neighbours(self, train: np.ndarray) -> Iterator[Plate]:
        for result in self.results:
            run = next((r for r in result.variant.finished if r.maps and r.samples), None)
            nearest = load(run.maps, "sample_nearest") if run else None
            if run is None or run.analysis is None or run.samples is None or nearest is None:
                continue
            found = self._try(partial(grids.read_images, run.samples, "images", "labels"))
            if found is None or len(found[0]) != len(nearest) or nearest.max() >= len(train):
                continue
            count = min(COLUMNS, len(nearest))
            mirrored = load(run.maps, "sample_mirrored")
            closest = as_trained(train[nearest[:count]], mirrored)
            if closest.max() >= self.levels:  # intensities, from which binary images are drawn
                closest = (closest.astype(np.uint16) * self.levels // 256).astype(np.uint8)
            tile = np.concatenate([found[0][:count], closest])
            words = f"{result.name}, seed {run.spec.seed}: samples, and below each the nearest training image"
            words += "" if mirrored is None else ", mirrored where that is nearer"
            if run.analysis.sample_distance is not None and run.analysis.test_distance is not None:
                words += (
                    f". Median distance {run.analysis.sample_distance:.3f}; real test images lie "
                    f"{run.analysis.test_distance:.3f} from theirs"
                )
            yield self._grid(f"neighbours.{result.name}", words, tile, count)

    def extremes(self) -> Plate | None:
        """The test images that the best variant finds easiest and hardest."""
        best = next((r for r in self.results if r.nll), None)
        nats, found = (nats_per_image(best) if best else None), self.images("test")
        if best is None or nats is None or found is None or len(nats) != len(found[0]):
            return None
        order = np.argsort(nats)
        count = min(COLUMNS, len(order) // 2)
        if not count:
            return None
        easy, hard = order[:count], order[-count:][::-1]
        words = (
            f"Above, the test images with the lowest NLL under {best.name} ({nats[easy[0]]:.1f} to "
            f"{nats[easy[-1]]:.1f} nats); below, those with the highest ({nats[hard[-1]]:.1f} to "
            f"{nats[hard[0]]:.1f} nats); mean over seeds"
        )
        return self._grid("extremes", words, found[0][np.concatenate([easy, hard])], count)

    def completions(self) -> list[Plate]:
        """The completed test images of each variant's first seed that has any, in ranked order."""
        plates = []
        for result in self.results:
            run = next((r for r in result.variant.runs if r.completions), None)
            if run is None or run.completions is None:
                continue
            found = self._try(partial(grids.read_completions, run.completions))
            if found is None:
                continue
            times = found.completions.shape[1]
            words = f"{result.name}, seed {run.spec.seed}: upper half given, {times} completions, original"
            words += "; the label is given, too" if result.conditional else ""
            caption = told(words, found.originals.shape[1])
            tile = grids.completions_tile(f"completions.{result.name}", caption, found, self.levels)
            plates.append(self._plate(tile))
        return plates

    def _grid(self, name: str, caption: str, images: np.ndarray, columns: int = COLUMNS) -> Plate:
        said = told(caption, images.shape[1])
        return self._plate(grids.tile(name, said, images, self.levels, columns))

    def _plate(self, tile: Tile) -> Plate:
        file = f"figures/{self.dataset.name}.{tile.name}.png"
        with atomic(self.target / file) as temporary:
            temporary.write_bytes(tile.png)
        uri = data_uri(tile.png, "image/png")
        return Plate(tile.name, uri, file, tile.caption, tile.caption, tile.width, tile.height)

    def _try(self, read: Callable[[], T]) -> T | None:
        """What was read; a damaged file is said once and left out."""
        try:
            return read()
        except DataError as error:
            if str(error) not in self.trouble:
                self.trouble.append(str(error))
            return None
