# Several runs in one job, see `scheduling/packs.py`: a Snakemake inside the job makes their results.
def pack_plan(wildcards):
    checked(packs.refuse_forced, BENCHMARK, forced_rules())
    return plan_for("pack")(wildcards)


rule pack:
    input:
        config=ancient(FOLDER.config),
        plan=pack_plan,
        data=of_job(JOBS.data),
        classifiers=of_job(JOBS.classifiers),
    output:
        touch(FOLDER.pack("{pack}")),
    log:
        FOLDER.log("pack", "{pack}"),
    priority: 10
    threads: BENCHMARK.threads * packs.at_once(BENCHMARK, JOBS.gpus)
    resources:
        mem_mb=memory_of("pack"),
        runtime=minutes_of("pack"),
        gpu=JOBS.gpus,
    params:
        digests=lambda wildcards: [run.digest for run in JOBS.runs_of(names(wildcards))],
        results=lambda wildcards: list(
            map(str, packs.results(BENCHMARK, JOBS.runs_of(names(wildcards))))
        ),
        # As in the rules `sample` and `analyse`: reasons to do it anew, by the Snakemake inside.
        sampling=dataclasses.asdict(BENCHMARK.sampling),
        analysis=dataclasses.asdict(BENCHMARK.analysis),
        # Inside, each run asks for one of the places on the GPUs of this job.
        gpus=min(1, JOBS.gpus),
    shell:
        commands.pack_command(workflow.main_snakefile)
