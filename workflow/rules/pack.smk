# Several runs in one job (`jobs.runs_per_job`): for runs that are shorter than the wait in a queue.
#
# A pack is a Snakemake of its own inside one job, with the very rules of single runs: logs, what is done
# already, what a failure stops, all is the same, and a later change of `runs_per_job` repeats nothing. The
# pack declares a mark and not the files of its runs, for Snakemake deletes what a failed job declares: so a
# run that fails takes none of its neighbours with it, as it does in a Snakemake group.
PER_PACK = BENCHMARK.jobs.runs_per_job
PACKS = [list(RUNS.values())[i : i + PER_PACK] for i in range(0, len(RUNS), PER_PACK)]
# Runs of a pack that find places on its GPUs run side by side, others one after the other.
AT_ONCE = min(PER_PACK, BENCHMARK.runs_per_gpu * GPUS_OF_A_JOB) if GPUS_OF_A_JOB else 1


def refuse_what_does_not_reach_packs():
    """The jobs inside packs are not in this workflow's graph: without a word Snakemake would force nothing."""
    inside = sorted({"train", "evaluate", "sample", "analyse"} & forced_rules())
    if inside:
        raise WorkflowError(
            f"--forcerun {' '.join(inside)} does not reach the runs inside the jobs of "
            f"jobs.runs_per_job: {PER_PACK}; add --config 'jobs={{runs_per_job: 1}}'"
        )


def pack_of(wildcards):
    return PACKS[int(wildcards.pack)]


def mark_of(spec):
    """The mark of the pack that has a run."""
    return f"{ROOT}/packs/{list(RUNS).index(spec.name) // PER_PACK}.done"


def pack_is_current(wildcards):
    refuse_what_does_not_reach_packs()
    runs = [(BENCHMARK.run_directory(spec), spec) for spec in pack_of(wildcards)]
    return all(
        freshness.training_is_current(*run)
        and freshness.evaluation_is_current(*run)
        and freshness.samples_are_current(*run, BENCHMARK.sampling)
        and freshness.analysis_is_current(*run, BENCHMARK.analysis)
        for run in runs
    )


def results_of(specs):
    return [
        f"{BENCHMARK.run_directory(spec)}/{name}"
        for spec in specs
        for name in ("metrics.json", "samples.npz", "analysis.json")
    ]


def own_models_of(wildcards):
    models = {spec.variant.model for spec in pack_of(wildcards)}
    return sorted(model for model in models if model.endswith(".py"))


def data_of(wildcards):
    names = {spec.dataset_name for spec in pack_of(wildcards)}
    return [str(BENCHMARK.data_file(name)) for name in sorted(names)]


def minutes_of_pack(wildcards, input):
    work = [
        (kind, spec) for spec in pack_of(wildcards) for kind in estimates.KINDS_OF_A_RUN
    ]
    gpu = GPUS_OF_A_JOB > 0
    return estimates.minutes(BENCHMARK, work, on_gpu=gpu, at_once=AT_ONCE)


def memory_of_pack(wildcards, attempt):
    kinds = estimates.KINDS_OF_A_RUN
    asked = [getattr(BENCHMARK.jobs, kind).memory_mb for kind in kinds]
    largest = estimates.memory_mb(BENCHMARK, kinds)
    return AT_ONCE * largest * (attempt if None in asked else 1)


rule pack:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=plan_for("pack", pack_is_current),
        data=data_of,
        models=own_models_of,
        classifiers=lambda wildcards: classifiers_of(pack_of(wildcards)),
    output:
        touch(ROOT + "/packs/{pack}.done"),
    log:
        ROOT + "/logs/pack-{pack}.log",
    wildcard_constraints:
        pack=r"\d+",
    priority: 10
    threads: BENCHMARK.threads * AT_ONCE
    resources:
        mem_mb=memory_of_pack,
        runtime=minutes_of_pack,
        gpu=GPUS_OF_A_JOB,
    params:
        digests=lambda wildcards: [spec.digest for spec in pack_of(wildcards)],
        results=lambda wildcards: results_of(pack_of(wildcards)),
        # As in the rules `sample` and `analyse`: reasons to do it anew, by the Snakemake inside.
        sampling=dataclasses.asdict(BENCHMARK.sampling),
        analysis=dataclasses.asdict(BENCHMARK.analysis),
        # Inside, each run asks for one of the places on the GPUs of this job.
        gpus=min(1, GPUS_OF_A_JOB),
        snakemake=shlex.join([sys.executable, "-m", "snakemake"]),
        snakefile=workflow.main_snakefile,
    shell:
        # --no-hooks: the folder's lock and the tracker belong to the workflow that started this job.
        "PIXELCNN_GPUS_OF_A_JOB={params.gpus} exec {params.snakemake} --snakefile {params.snakefile} --configfile {input.config}"
        " --executor local --cores {threads} --no-hooks --retries 0 {params.results} > {log} 2>&1"
