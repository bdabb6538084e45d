# Several runs in one job, see `scheduling/packs.py`: a Snakemake inside the job makes their results.
def pack_plan(wildcards):
    checked(packs.refuse_forced, BENCHMARK, forced())
    return plan_for("pack")(wildcards)


rule pack:
    input:
        config=ancient(FOLDER.config),
        plan=pack_plan,
        data=made_by("prepare"),
        precision=precision_read,
        classifiers=made_by("classify"),
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
        slurm_extra=ask_to_stop,
    params:
        results=lambda wildcards: list(
            map(str, packs.results(BENCHMARK, JOBS.runs_of(names(wildcards))))
        ),
        # Inside, each run asks for one of the places on the GPUs of this job.
        gpus=min(1, JOBS.gpus),
    shell:
        commands.pack_command(workflow.main_snakefile)
