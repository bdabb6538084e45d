# What test images cost as a file: of one run a variant, on a CPU.
rule audit:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("audit"),
        data=made_by("prepare"),
        evaluated=lambda wildcards: files(JOBS.read_to_audit(names(wildcards))),
    output:
        kept([FOLDER.audit("{dataset}", "{variant}")]),
    log:
        FOLDER.log("audit", "{dataset}", "{variant}"),
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("audit"),
        runtime=minutes_of("audit"),
    params:
        seed=lambda wildcards: JOBS.audited_run(names(wildcards)).seed,
    shell:
        commands.shell_command("audit", "--seed {params.seed} --threads {threads}")
