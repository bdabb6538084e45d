# What needs the trained models to be looked at: a classifier a dataset, an analysis a run, a cost a variant.
rule classify:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("classify"),
        data=DATASET.data,
    output:
        DATASET.classifier,
        DATASET.classifier_note,
    log:
        FOLDER.log("classify", "{dataset}"),
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("classify"),
        runtime=minutes_of("classify"),
        gpu=JOBS.gpus,
    shell:
        commands.shell_command("classify", "--threads {threads}")


rule analyse:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("analyse"),
        data=DATASET.data,
        checkpoint=RUN.checkpoint,
        samples=RUN.samples,
        classifier=of_job(JOBS.classifiers),
    output:
        RUN.analysis_file,
        RUN.analysis_arrays,
    log:
        FOLDER.log("analyse", "{dataset}", "{variant}", "seed{seed}"),
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("analyse"),
        runtime=minutes_of("analyse"),
        gpu=JOBS.gpus,
    params:
        analysis=lambda wildcards: kinds.analysis_settings(
            run_of(wildcards), BENCHMARK.analysis
        ),
    shell:
        commands.shell_command("analyse", "--threads {threads}")


def trained_first(wildcards):
    """The checkpoint that a variant is measured by: that of one seed, or the mark of the pack that has it.

    A mark is `ancient`: turning packing on makes it anew without training anything. A variant that was trained
    anew is seen by the plan.
    """
    run = JOBS.measured_run(names(wildcards))
    return (
        ancient(str(JOBS.mark_of(run)))
        if JOBS.packs
        else str(FOLDER.run_of(run).checkpoint)
    )


rule measure:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("measure"),
        data=DATASET.data,
        trained=trained_first,
    output:
        FOLDER.cost("{dataset}", "{variant}"),
    log:
        FOLDER.log("measure", "{dataset}", "{variant}"),
    # On one machine it takes every core, so that nothing runs beside it, but computes with no more threads than
    # a training does. A cluster gives it what a run gets; `--exclusive` for this rule is up to the profile.
    threads: lambda wildcards: workflow.cores if workflow.local_exec else BENCHMARK.threads
    resources:
        mem_mb=memory_of("measure"),
        runtime=minutes_of("measure"),
        gpu=JOBS.gpus,
    params:
        seed=lambda wildcards: JOBS.measured_run(names(wildcards)).seed,
        threads=BENCHMARK.threads,
    shell:
        commands.shell_command(
            "measure", "--seed {params.seed} --threads {params.threads}"
        )
