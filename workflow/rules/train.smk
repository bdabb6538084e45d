rule train:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("train"),
        data=made_by("prepare"),
        precision=precision_read,
    output:
        kept([RUN.checkpoint]),
    log:
        FOLDER.log("train", "{dataset}", "{variant}", "seed{seed}"),
    # Long jobs first: short ones then fill the cores to the end.
    priority: 10
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("train"),
        runtime=minutes_of("train"),
        gpu=JOBS.gpus,
        slurm_extra=ask_to_stop,
    params:
        digest=lambda wildcards: run_of(wildcards).digest,
        others=lambda wildcards: JOBS.trained_with(names(wildcards)),
        replace=lambda wildcards: JOBS.replaced("train", names(wildcards)),
    shell:
        commands.shell_command(
            "train",
            "--threads {threads} --digest {params.digest} {params.others} {params.replace}",
        )
