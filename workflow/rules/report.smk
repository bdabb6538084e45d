def finished_runs():
    """What is there once every run has its results."""
    if PER_PACK > 1:
        return [f"{ROOT}/packs/{i}.done" for i in range(len(PACKS))]
    return results_of(RUNS.values())


# There only while the report has every run. A partial report lies at the same place, and Snakemake would
# not make what is missing behind a file that is there.
WHOLE_REPORT = ROOT + "/report/.complete"


rule report:
    input:
        config=ROOT + "/config.json",
        data=[str(BENCHMARK.data_file(dataset)) for dataset in BENCHMARK.datasets],
        runs=finished_runs(),
        costs=costs(),
    output:
        report(
            ROOT + "/report/index.html",
            caption="../report/page.rst",
            category="Report",
        ),
        ROOT + "/report/report.md",
        ROOT + "/report/metrics.csv",
        ROOT + "/report/comparison.csv",
        ROOT + "/report/pairs.csv",
        # What is in the folder depends on the runs, so `snakemake --report` picks it by these patterns.
        report(
            directory(ROOT + "/report/figures"),
            patterns=["{dataset}.{figure,nll|learning|cost|fields|bits|classes}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            labels={"dataset": "{dataset}", "figure": "{figure}"},
        ),
        touch(WHOLE_REPORT),
    log:
        ROOT + "/logs/report.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    shell:
        "exec {PIXELCNN} report {ROOT} > {log} 2>&1"
