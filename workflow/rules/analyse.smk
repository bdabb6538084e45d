# What needs the trained models to be looked at: a classifier a dataset, an analysis a run, a cost a variant.
rule classify:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("classify"),
        data=made_by("prepare"),
    output:
        kept(DATASET.classified),
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
        data=made_by("prepare"),
        checkpoint=made_by("train"),
        samples=made_by("sample"),
        classifier=made_by("classify"),
    output:
        kept(RUN.analysed),
    log:
        FOLDER.log("analyse", "{dataset}", "{variant}", "seed{seed}"),
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("analyse"),
        runtime=minutes_of("analyse"),
        gpu=JOBS.gpus,
    shell:
        commands.shell_command("analyse", "--threads {threads}")


rule measure:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("measure"),
        data=made_by("prepare"),
        trained=lambda wildcards: files(JOBS.read_to_measure(names(wildcards))),
    output:
        kept([FOLDER.cost("{dataset}", "{variant}")]),
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
