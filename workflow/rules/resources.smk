# What the jobs of a run ask for. On one machine Snakemake counts CPUs and GPUs, on a cluster the scheduler
# wants to know time and memory as well.
def run_of(wildcards):
    """The run that a job is of; of a job for a whole variant or dataset the first one."""
    variant = wildcards.get("variant", next(iter(BENCHMARK.variants)))
    seed = wildcards.get("seed", BENCHMARK.seeds[0])
    return RUNS[f"{wildcards.dataset}/{variant}/seed{seed}"]


def gpus_here():
    """How many GPUs the benchmark may use on this machine, without importing torch to ask."""
    if BENCHMARK.device == "cpu":
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return sum(name.strip() not in ("", "-1") for name in visible.split(","))
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def gpus_of_a_job():
    """GPUs that a job of a run asks for: one counts as one place on it; which one it gets, it claims itself."""
    if BENCHMARK.jobs.gpus is not None:
        return BENCHMARK.jobs.gpus
    return int(BENCHMARK.device == "cuda" or gpus_here() > 0)


# Jobs read the Snakefile again, perhaps on a machine with other GPUs: they keep to what was asked for them.
GPUS_OF_A_JOB = int(
    os.environ.setdefault("PIXELCNN_GPUS_OF_A_JOB", str(gpus_of_a_job()))
)
if gpus_here() and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", gpus_here() * BENCHMARK.runs_per_gpu)


# What is tried again asks for more, unless the config says how much: that may be all that a partition gives. A
# training asks for no more time, for it goes on where it was; more than a partition gives would wait for ever.
def more(asked, attempt):
    return 1 if asked is not None else attempt


def minutes_of(kind):
    """Estimated from what `plan` and `prepare` wrote, so to be determined until they have."""
    asked = getattr(BENCHMARK.jobs, kind).minutes

    # `input` has what it is read from: by that Snakemake knows what a missing file means.
    def minutes(wildcards, input, attempt):
        work = [(kind, run_of(wildcards))]
        estimate = estimates.minutes(BENCHMARK, work, on_gpu=GPUS_OF_A_JOB > 0)
        return estimate if kind == "train" else estimate * more(asked, attempt)

    return minutes


def memory_of(kind):
    asked = getattr(BENCHMARK.jobs, kind).memory_mb

    def memory(wildcards, attempt):
        return estimates.memory_mb(BENCHMARK, [kind]) * more(asked, attempt)

    return memory
