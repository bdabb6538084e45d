rule sample:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("sample"),
        data=made_by("prepare"),
        checkpoint=made_by("train"),
    output:
        kept(RUN.drawn),
    log:
        FOLDER.log("sample", "{dataset}", "{variant}", "seed{seed}"),
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("sample"),
        runtime=minutes_of("sample"),
        gpu=JOBS.gpus,
    shell:
        commands.shell_command("sample", "--threads {threads} --also-complete")
