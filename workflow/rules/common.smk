# What rules ask Snakemake and `scheduling` for. Here stands only what needs Snakemake's own words:
# what is decided is decided there.
def checked(function, *arguments):
    """What a function returns; a user's mistake ends the workflow with its message."""
    try:
        return function(*arguments)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def names(wildcards):
    return dict(wildcards.items())


def run_of(wildcards):
    """The run that a job is of."""
    return JOBS.runs_of(names(wildcards))[0]


def of_job(function):
    """An input function from one that takes the values of a job's wildcards; files come as their paths."""
    return lambda wildcards: list(map(str, function(names(wildcards))))


def forced_rules():
    """Rules of `--forcerun`; known once the graph is built, and not in the Snakemakes of its jobs."""
    return set(getattr(workflow.dag_settings, "forcerun", ()))


def plan_for(kind):
    """The plan as an input of a job: `ancient`, unless what the job made before is of another config.

    An edited config lets `plan` run, and below a job that is to run Snakemake asks neither for changed
    parameters nor for --forcerun: then the plan itself must be the reason.
    """

    def plan(wildcards):
        keep = kind not in forced_rules() and JOBS.is_current(kind, names(wildcards))
        return ancient(str(FOLDER.plan)) if keep else str(FOLDER.plan)

    return plan


def minutes_of(kind):
    """Estimated from what `plan` and `prepare` wrote, so to be determined until they have."""

    # `input` has what it is read from: by that Snakemake knows what a missing file means.
    def minutes(wildcards, input, attempt):
        return JOBS.minutes(kind, names(wildcards), attempt)

    return minutes


def memory_of(kind):
    return lambda wildcards, attempt: JOBS.memory_mb(kind, attempt)
