# MLflow follows the run folders while the workflow runs: one process, started and ended here, so
# that no training waits for a tracking server and a fresh database has one writer.
TRACKER = []


def start_tracker():
    if not BENCHMARK.tracking.enabled:
        return
    log = Path(ROOT) / "logs" / "track.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *COMMAND,
        "track",
        ROOT,
        "--watch",
        "--parent-pid",
        str(os.getpid()),
    ]
    with log.open("a") as stream:
        TRACKER.append(subprocess.Popen(command, stdout=stream, stderr=stream))


def finish_tracker():
    """The tracker delivers what is left and ends; what it could not deliver it says in its log."""
    for process in TRACKER:
        process.terminate()
        if process.wait() != 0:
            print(
                f"MLflow has not got everything: see {ROOT}/logs/track.log; the runs are whole, and "
                f"`pixelcnn track {ROOT}` delivers them later",
                file=sys.stderr,
            )


onstart:
    start_tracker()


onsuccess:
    finish_tracker()
    print(f"Report: {Path(ROOT).resolve()}/report/index.html")


onerror:
    # Some runs failed: what there is makes a partial report that names them.
    if (Path(ROOT) / "config.json").exists():
        subprocess.run([*COMMAND, "report", ROOT], check=False)
        print(
            f"Partial report: {Path(ROOT).resolve()}/report/index.html",
            file=sys.stderr,
        )
    finish_tracker()
