rule plan:
    # Checks hyper-parameters and datasets before anything is trained, and writes the config
    # resolved. Later rules read it as `ancient`: what they depend on are their own digests.
    input:
        own_files=JOBS.own_files,
    output:
        FOLDER.config,
        FOLDER.plan,
    log:
        FOLDER.log("plan"),
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        config=json.dumps(BENCHMARK.to_json()),
    script:
        "../scripts/plan.py"


rule prepare:
    input:
        config=ancient(FOLDER.config),
        plan=plan_for("prepare"),
    output:
        DATASET.data,
    log:
        FOLDER.log("prepare", "{dataset}"),
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        digest=lambda wildcards: dataset_digest(run_of(wildcards).dataset),
    shell:
        commands.shell_command("prepare")
