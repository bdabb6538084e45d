rule sample:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("sample"),
        checkpoint=RUN.checkpoint,
        data=DATASET.data,
    output:
        RUN.samples,
        RUN.sample_grid,
        RUN.completions,
        RUN.completion_grid,
        RUN.sampled,
    log:
        FOLDER.log("sample", "{dataset}", "{variant}", "seed{seed}"),
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("sample"),
        runtime=minutes_of("sample"),
        gpu=JOBS.gpus,
    params:
        sampling=dataclasses.asdict(BENCHMARK.sampling),
    shell:
        commands.shell_command("sample", "--threads {threads} --also-complete")
