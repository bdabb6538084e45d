"""The claims of `report.claims` and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import get_args

from pixelcnn.report.findings import Finding, Verdict
from pixelcnn.report.sections.base import Content, Material, OfDataset
from pixelcnn.report.words import joined

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
MEANING = (
    "Supported: the difference is in the claimed direction and certain; contradicted: certain, but the other "
    "way round; not supported: there is none to speak of; undecided: these seeds do not tell it from zero; "
    "not measured: there is nothing to compare with, no number, or none that compares."
)


@dataclass(frozen=True)
class Answers:
    """A claim and its answer for each pair of variants that it fits."""

    claim: str
    question: str
    findings: Sequence[Finding]

    @property
    def who(self) -> str:
        """How many pairs of variants, or variants where each stands against a guess."""
        alone = all(finding.against is None for finding in self.findings)
        return f"{len(self.findings)} {'variants' if alone else 'pairs of variants'}"

    @property
    def verdict(self) -> Verdict | None:
        """The one that all have, of those that were measured; None if they differ."""
        verdicts = {finding.verdict for finding in self.findings}
        if len(verdicts) > 1:
            verdicts.discard("not measured")
        return verdicts.pop() if len(verdicts) == 1 else None

    @property
    def tally(self) -> str:
        """How many answers there are of each kind."""
        counts = {v: sum(finding.verdict == v for finding in self.findings) for v in VERDICTS}
        return joined([f"{n} {verdict}" for verdict, n in counts.items() if n])


def build(material: Material) -> Content:
    """A row a claim; what it says of several pairs of variants is folded."""
    groups = groupby(material.findings, key=lambda finding: (finding.claim, finding.question))
    answers = [Answers(claim, question, list(own)) for (claim, question), own in groups]
    return Content({"answers": answers, "meaning": MEANING})


SECTION = OfDataset("findings", "Findings", build=build)
