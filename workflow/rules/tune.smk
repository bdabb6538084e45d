# The rules of a tuning, in the place of those that make and compare results: nothing here reads a test image.
localrules:
    tune,


rule trial:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("trial"),
        data=made_by("prepare"),
        precision=precision_read,
    output:
        kept([RUN.trial_file]),
    log:
        FOLDER.log("trial", "{dataset}", "{variant}", "seed{seed}"),
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("trial"),
        runtime=minutes_of("trial"),
        gpu=JOBS.gpus,
        slurm_extra=ask_to_stop,
    params:
        digest=lambda wildcards: run_of(wildcards).digest,
        replace=lambda wildcards: JOBS.replaced("trial", names(wildcards)),
    shell:
        commands.shell_command(
            "trial", "--threads {threads} --digest {params.digest} {params.replace}"
        )


rule tune:
    default_target: True
    input:
        config=config_for(FOLDER.tuned, freshness.tuned_is_current),
        trials=lambda wildcards: files(JOBS.read_by_tune()),
    output:
        kept([FOLDER.tuned]),
    log:
        FOLDER.log("tune"),
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    shell:
        commands.tune_command(FOLDER.path)


# Asked for beside `tune` on one command line: they are of another benchmark.
rule all:
    input:
        refused_while_tuning("all"),


rule report:
    input:
        refused_while_tuning("report"),
