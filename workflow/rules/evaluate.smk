rule evaluate:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("evaluate"),
        data=made_by("prepare"),
        checkpoint=made_by("train"),
    output:
        kept(RUN.evaluated),
    log:
        FOLDER.log("evaluate", "{dataset}", "{variant}", "seed{seed}"),
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("evaluate"),
        runtime=minutes_of("evaluate"),
        gpu=JOBS.gpus,
    shell:
        commands.shell_command("evaluate", "--threads {threads}")
