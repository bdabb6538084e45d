"""What jobs ask a cluster for."""

from __future__ import annotations

from dataclasses import dataclass

from pixelcnn.config.fields import added, at_least


@dataclass(frozen=True)
class JobSpec:
    """What one kind of job asks a cluster for; null is an estimate (see `estimates`)."""

    minutes: int | None = at_least(2, None, 10**7)
    """Two at least: a job is asked to stop a minute before its end, and must have begun by then."""
    memory_mb: int | None = at_least(1, None, 10**9)
    """MB; what is tried again after a failure asks for more only if this is null."""


@dataclass(frozen=True)
class JobsSpec:
    """What the jobs of the runs ask a cluster for, and how many runs one job takes.

    `gpus` is what each job of a run asks for; null means one if the benchmark's device is a GPU.
    `classify` trains the classifier of a dataset, `measure` times one variant on a machine of its own,
    `audit` compresses test images on a CPU.
    With `runs_per_job` or `seeds_per_job` above 1 one job trains, evaluates, samples and analyses several
    runs: the seeds that train together, and as many such groups as make no more than `runs_per_job`.
    """

    train: JobSpec = JobSpec()
    evaluate: JobSpec = JobSpec()
    sample: JobSpec = JobSpec()
    analyse: JobSpec = JobSpec()
    classify: JobSpec = JobSpec()
    measure: JobSpec = JobSpec()
    audit: JobSpec = added(JobSpec(), absent=JobSpec())  # noqa: RUF009  # a field
    gpus: int | None = at_least(0, None, 1000)
    """GPUs of each of these jobs; null: 1 with device: cuda, or where GPUs are seen, else 0."""
    runs_per_job: int = at_least(1, 1, 200)  # their names go into one command line
    """So many runs in one job, for runs that are shorter than the wait in a queue."""
    seeds_per_job: int = at_least(1, 1, 200)
    """So many seeds of a variant in one job: trained at once on a GPU, one after the other on a CPU."""
