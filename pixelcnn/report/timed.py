"""Which runs of a variant tell what it costs: costs are never pooled over machines."""

from __future__ import annotations

from pixelcnn.report.collect import Run, Status, VariantRuns
from pixelcnn.results.machines import Machine, machine_of, main_machine

#: Trainings that came to their end: the budgets of others are not comparable.
TRAINED = (Status.FINISHED, Status.NOT_EVALUATED)


def timed_on(variant: VariantRuns) -> Machine | None:
    """The machine by which the variants of its dataset are compared; its own one, if it never ran there."""
    records = [run.record for run in variant.runs if run.status in TRAINED and run.record]
    there = variant.machine in [machine_of(record) for record in records]
    return variant.machine if there else main_machine(records)


def timed_runs(variant: VariantRuns) -> list[Run]:
    """Its runs whose training came to its end on that machine."""
    chosen = timed_on(variant)
    trained = [run for run in variant.runs if run.status in TRAINED]
    return [run for run in trained if run.record and machine_of(run.record) == chosen]
