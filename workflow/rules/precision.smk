# What `training.precision: auto` is: measured once, and the same for all runs of a benchmark.
rule precision:
    input:
        config=ancient(FOLDER.config),
    output:
        kept([FOLDER.precision]),
    log:
        FOLDER.log("precision"),
    priority: 20
    # As for `measure`: on one machine nothing runs beside it. A cluster gives it what a training gets.
    threads: lambda wildcards: workflow.cores if workflow.local_exec else BENCHMARK.threads
    resources:
        mem_mb=memory_of("train"),
        runtime=10,
        gpu=JOBS.gpus,
    params:
        force=lambda wildcards: "--force" if JOBS.measures_again else "",
    shell:
        commands.precision_command()
