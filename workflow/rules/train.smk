rule train:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("train"),
        data=DATASET.data,
    output:
        RUN.checkpoint,
    log:
        FOLDER.log("train", "{dataset}", "{variant}", "seed{seed}"),
    # Long jobs first: short ones then fill the cores to the end.
    priority: 10
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("train"),
        runtime=minutes_of("train"),
        gpu=JOBS.gpus,
    params:
        # All that decides the result, and nothing else: the reason to retrain.
        digest=lambda wildcards: run_of(wildcards).digest,
    shell:
        commands.shell_command("train", "--threads {threads} --digest {params.digest}")
