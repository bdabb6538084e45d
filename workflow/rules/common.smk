# What rules ask Snakemake and `scheduling` for. Here stands only what needs Snakemake's own words:
# what is decided is decided there.
def checked(function, *arguments):
    """What a function returns; a user's mistake ends the workflow with its message."""
    try:
        return function(*arguments)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def shortest(path):
    """How to call a file from here."""
    return min(os.path.relpath(path), os.path.abspath(path), key=len)


def names(wildcards):
    return dict(wildcards.items())


def run_of(wildcards):
    """The run that a job is of."""
    return JOBS.runs_of(names(wildcards))[0]


def forced():
    """Rules and files that are to be made anew in any case; known once the graph is built.

    Jobs on a cluster read the Snakefile again and are not told: they have it from the environment.
    """
    asked = workflow.dag_settings
    if asked is None or FORCED in os.environ:
        return set(json.loads(os.environ.get(FORCED, "[]")))
    if asked.forceall:
        found = {rule.name for rule in workflow.rules}
    else:
        found = {*asked.forcerun, *map(os.path.relpath, asked.forcerun)}
        # --force means the targets themselves.
        found |= targets() if asked.forcetargets else set()
    os.environ[FORCED] = json.dumps(sorted(found))
    return found


def targets():
    """What is asked for by name, rules and files."""
    asked = getattr(workflow.dag_settings, "targets", ())
    return {*asked, *map(os.path.relpath, asked)}


# By this jobs on a cluster know what this found: their command line names no targets.
TUNING = "PIXELCNN_TUNING"


def asked_to_tune():
    """Whether `tune` is among the targets. Snakemake tells them only once all rules are read."""
    if "tune" in sys.argv[1:]:
        os.environ[TUNING] = "1"
    return TUNING in os.environ


def refused_while_tuning(target):
    """An input function of a target that does not go together with `tune`."""

    def refused(wildcards):
        raise WorkflowError(
            f"{target}: not together with tune, whose trials are a benchmark of their own; afterwards: "
            f"snakemake {target} --configfile {FOLDER.tuned}"
        )

    return refused


# Snakemake compares times, which a copy does not keep, and parameters with those that it noted in a folder
# that a copy may lack. So for what is current, files are read as `ancient`: their times say nothing. What is not
# is forced, as by --forcerun, and reads them as they are, so that it waits for those that are made anew.
def files(read):
    return [
        ancient(str(path)) if settled else str(path) for path, settled in read.items()
    ]


def made_by(kind):
    """An input function: what jobs of a kind have made of the runs that a job is for."""
    return lambda wildcards: files(JOBS.read(kind, names(wildcards)))


def precision_read(wildcards):
    """An input function: what `precision: auto` is, which jobs read that train with it."""
    return files(JOBS.read_precision(names(wildcards)))


def plan_for(kind):
    """An input function: the plan, which every job reads that is not current, or is asked for by name.

    Below a job that is to run, as `plan` is after an edit, Snakemake asks for nothing but its files: there the
    plan itself must be the reason.
    """

    def plan(wildcards):
        given = names(wildcards)
        current, made = JOBS.is_current(kind, given), JOBS.makes(kind, given)
        if not current:
            workflow.dag.forcefiles.update(map(str, made))
        missing = any(str(path) in targets() and not path.exists() for path in made)
        return files({FOLDER.plan: current and not missing and kind not in forced()})

    return plan


def config_for(made, is_current):
    """An input function: the config of what is made last, which is forced unless it is current."""

    def config(wildcards):
        if not is_current(BENCHMARK):
            workflow.dag.forcefiles.add(str(made))
        current = freshness.plan_is_current(BENCHMARK) and "plan" not in forced()
        return files({FOLDER.config: current})

    return config


def nothing_read(path):
    """An input function of `plan`, which reads no file and is forced unless what it wrote is current."""

    def nothing(wildcards):
        if not freshness.plan_is_current(BENCHMARK):
            workflow.dag.forcefiles.add(str(path))
        return []

    return nothing


def minutes_of(kind):
    """Estimated from what `plan` and `prepare` wrote, so to be determined until they have."""

    # `input` has what it is read from: by that Snakemake knows what a missing file means.
    def minutes(wildcards, input, attempt):
        return JOBS.minutes(kind, names(wildcards), attempt)

    return minutes


def memory_of(kind):
    return lambda wildcards, attempt: JOBS.memory_mb(kind, attempt)


# What is there stays until the job has made it anew.
def kept(paths):
    return [update(path) for path in paths]


# On SLURM: SIGTERM a minute before the time limit (SLURM may send it a minute earlier), so that a training
# saves its state. Here and not in the profile, for what a command line says of resources replaces all of that;
# with the options that it names for all jobs.
def ask_to_stop(wildcards):
    default = getattr(workflow.resource_settings, "default_resources", None) or {}
    # As it was written: Snakemake has an expression of Python there, a text in quotation marks.
    given = str(default["slurm_extra"].raw) if "slurm_extra" in default else ""
    return " ".join([given.strip("'\""), "--signal=TERM@60"]).strip()


# What a Snakemake that was killed kept of its outputs, and would put in the place of those of a job that fails.
def forget_backups():
    kept = Path(workflow.persistence.path) / "backups"
    shutil.rmtree(
        kept / FOLDER.path.relative_to(FOLDER.path.anchor), ignore_errors=True
    )
