# The lock of the folder, and MLflow, which follows the run folders while the workflow runs: see
# `scheduling/hooks.py`.
TRACKER = hooks.Tracker(FOLDER)
HELD = []


onstart:
    HELD.append(checked(hooks.hold, FOLDER))
    forget_backups()
    if BENCHMARK.tracking.enabled:
        TRACKER.start()


onsuccess:
    TRACKER.finish()
    if BENCHMARK.tunes and FOLDER.tuned.exists() and FOLDER.log("tune").exists():
        print(FOLDER.log("tune").read_text(encoding="utf-8"))
        print(f"Tuned; to go on: snakemake report --configfile {FOLDER.tuned}")
    if FOLDER.report.whole.exists() and freshness.report_is_current(BENCHMARK):
        print(f"Report: {FOLDER.report.page.resolve()}")


onerror:
    try:
        if page := hooks.partial_report(BENCHMARK):
            print(f"Partial report: {page.resolve()}", file=sys.stderr)
    finally:
        TRACKER.finish()
