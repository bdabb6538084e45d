def of_every_run(name):
    return [f"{BENCHMARK.run_directory(spec)}/{name}" for spec in RUNS.values()]


# There only while the report has every run. A partial report lies at the same place, and Snakemake would
# not make what is missing behind a file that is there.
WHOLE_REPORT = ROOT + "/report/.complete"


rule report:
    input:
        config=ROOT + "/config.json",
        data=[str(BENCHMARK.data_file(dataset)) for dataset in BENCHMARK.datasets],
        metrics=of_every_run("metrics.json"),
        samples=of_every_run("samples.npz"),
    output:
        ROOT + "/report/index.html",
        ROOT + "/report/report.md",
        ROOT + "/report/metrics.csv",
        ROOT + "/report/comparison.csv",
        touch(WHOLE_REPORT),
    log:
        ROOT + "/logs/report.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    shell:
        "exec {PIXELCNN} report {ROOT} > {log} 2>&1"
