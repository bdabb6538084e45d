# `report` is the front door's first target, so that a bare `snakemake --cores 8` makes it, too.
rule all:
    default_target: True
    input:
        FOLDER.report.page,
        FOLDER.report.whole,


rule report:
    input:
        config=config_for(FOLDER.report.page, freshness.report_is_current),
        data=lambda wildcards: files(JOBS.read_all("prepare")),
        runs=lambda wildcards: files(JOBS.read_by_report()),
    output:
        report(
            update(FOLDER.report.page),
            caption="../report/page.rst",
            category="Report",
        ),
        kept(FOLDER.report.tables),
        # What is in the folder depends on the runs, so `snakemake --report` picks it by these patterns.
        report(
            directory(FOLDER.report.figures),
            patterns=[
                "{dataset}.{figure,nll|learning|cost|over_time|fields|bits|classes}.svg"
            ],
            caption="../report/figure.rst",
            category="Figures",
            labels={"dataset": "{dataset}", "figure": "{figure}"},
        ),
        # A partial report lies at the same place, and Snakemake would not make what is missing behind a file
        # that is there.
        touch(FOLDER.report.whole),
    log:
        FOLDER.log("report"),
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    shell:
        commands.report_command(FOLDER.path)
