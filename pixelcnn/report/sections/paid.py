"""What test images cost as a file, beside what their NLL says: whether it is paid in full."""

from __future__ import annotations

from dataclasses import dataclass

from pixelcnn.report.compare import VariantResult
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.results.audit import Audit


@dataclass(frozen=True)
class Paid:
    """What a variant paid."""

    result: VariantResult
    audit: Audit


def build(material: Material) -> Content | None:
    """The variants that were audited, in the order of the results."""
    found = [(result, result.variant.audit) for result in material.results]
    rows = [Paid(result, audit) for result, audit in found if audit]
    if not rows:
        return None
    first = rows[0].audit
    return Content(
        {
            "rows": rows,
            "first": first,
            "same_images": len({row.audit.images for row in rows}) == 1,
            "conditional": any(row.result.conditional for row in rows),
        }
    )


SECTION = OfDataset("paid", build=build)
