"""The config's note, and what a reader has to keep in mind: runs that are not alike, what was left out."""

from __future__ import annotations

from pixelcnn.report import provenance
from pixelcnn.report.sections.base import Content, OfBenchmark, Whole


def build(whole: Whole) -> Content:
    """Sentences; `trouble` is what cannot be read, `strays` are runs that the config does not ask for."""
    directory = whole.collected.directory
    trouble = [sentence for material in whole.materials for sentence in material.plates.trouble]
    trouble += [
        f"{m.name}: its prepared images are not here, as in a compact folder; without them there are no real "
        "images, nearest neighbours, NLL by class and shares of a guess (pixelcnn prepare makes them anew)"
        for m in whole.materials
        if m.ranked and not m.dataset.data_file.exists()
    ]
    return Content(
        {
            "warnings": [s for d in whole.collected.datasets for s in provenance.mixtures(d)],
            "trouble": [sentence.replace(f"{directory}/", "") for sentence in trouble],
            "strays": [path.relative_to(directory).as_posix() for path in whole.collected.strays],
        }
    )


SECTION = OfBenchmark("remarks", build=build)
