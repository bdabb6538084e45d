# The lock of the folder; MLflow, which follows the run folders while the workflow runs; and what spares jobs
# their imports: see `scheduling/hooks.py`.
TRACKER = hooks.Tracker(FOLDER)
FORKS = hooks.ForkServer(FOLDER, BENCHMARK.threads)
HELD = []


onstart:
    HELD.append(checked(hooks.hold, FOLDER))
    forget_backups()
    if BENCHMARK.tracking.enabled:
        TRACKER.start()
    # Nothing has shown that a fork may use a GPU as a process of its own does.
    if workflow.local_exec and not gpus_here:
        FORKS.start()


onsuccess:
    FORKS.finish()
    TRACKER.finish()
    if BENCHMARK.tunes and FOLDER.tuned.exists() and FOLDER.log("tune").exists():
        print(FOLDER.log("tune").read_text(encoding="utf-8"))
        print(
            f"Tuned; to go on: snakemake report --cores {workflow.cores or 'all'} --configfile {FOLDER.tuned}"
        )
    if FOLDER.report.whole.exists() and freshness.report_is_current(BENCHMARK):
        print(f"Report: {FOLDER.report.page.resolve()}")


onerror:
    FORKS.finish()
    try:
        if page := hooks.partial_report(BENCHMARK):
            print(f"Partial report: {page.resolve()}", file=sys.stderr)
    finally:
        TRACKER.finish()
