rule plan:
    # Checks hyper-parameters and datasets before anything is trained, and writes the config
    # resolved. Later rules read it as `ancient`: what they depend on are their own digests.
    input:
        nothing_read(FOLDER.config),
    output:
        kept([FOLDER.config, FOLDER.plan]),
    log:
        FOLDER.log("plan"),
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        asked=lambda wildcards: str(hooks.handed_over(BENCHMARK)),
    shell:
        commands.plan_command()


rule prepare:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("prepare"),
    output:
        kept([DATASET.data]),
    log:
        FOLDER.log("prepare", "{dataset}"),
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    shell:
        commands.shell_command("prepare")
