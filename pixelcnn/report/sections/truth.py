"""How far each variant lies above a truth that is known, and by which offsets: what it can use."""

from __future__ import annotations

from pixelcnn.config.random_field import Place, answers_of
from pixelcnn.report.figures.offsets import above_at_offsets
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.report.truth import ALPHA, below_truth, truth_of


def build(material: Material) -> Content | None:
    """The table, and the picture where the field has offsets; nothing where no truth is known."""
    if (truth := truth_of(material.dataset)) is None:
        return None
    found = [o for o in below_truth(material.collected.datasets) if o.dataset == material.dataset.name]
    below = {o.variant: min(other.p for other in found if other.variant == o.variant) for o in found}
    plate = material.plates.drawing("offsets", above_at_offsets(truth, _answers(material)))
    results = {result.name: result for result in material.results}
    values = {
        "truth": truth,
        "rows": [(results[other.variant.name], other) for other in truth.others],
        "below": below,
        "images": truth.others[0].excess.images if truth.others else 0,
        "baselines": [o.variant.name for o in truth.others if o.variant.baseline],
        "alpha": ALPHA,
        "plate": plate,
    }
    return Content(values, [plate] if plate else [])


def _answers(material: Material) -> dict[Place, tuple[Place, ...]]:
    """Offset -> the places that copy the pixel there."""
    images = material.dataset.spec
    if images.field is None or images.field.rule != "offsets" or images.height_width is None:
        return {}
    return answers_of(images.field, *images.height_width)


SECTION = OfDataset("truth", "Known truth", build=build)
