# MLflow follows the run folders while the workflow runs: one process, started and ended here, so
# that no training waits for a tracking server and a fresh database has one writer.
TRACKER = []
LOCK = []


def hold_folder():
    """One workflow a folder; the lock ends with this process, however that ends."""
    try:
        LOCK.append(locks.acquire(Path(ROOT) / ".workflow.lock"))
    except locks.Locked as error:
        raise WorkflowError(
            f"Another snakemake works on {ROOT}, so this one did nothing: wait for its end. ({error})"
        ) from None


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
        # A session of its own: Ctrl-C is for the workflow, and the tracker then
        # still delivers how the runs ended.
        TRACKER.append(
            subprocess.Popen(
                command, stdout=stream, stderr=stream, start_new_session=True
            )
        )


def finish_tracker():
    """The tracker delivers what is left and ends; what it could not deliver it says in its log."""
    for process in TRACKER:
        process.terminate()
        try:
            delivered = process.wait(timeout=300) == 0
        except subprocess.TimeoutExpired:  # a server that accepts and never answers
            process.kill()
            delivered = False
        # Without a config accepted there is nothing to deliver; the failed rule has said why.
        if not delivered and (Path(ROOT) / "config.json").exists():
            print(
                f"MLflow has not got everything: see {ROOT}/logs/track.log; the runs are whole, and "
                f"`pixelcnn track {ROOT}` delivers them later",
                file=sys.stderr,
            )


onstart:
    hold_folder()
    start_tracker()


onsuccess:
    finish_tracker()
    print(f"Report: {Path(ROOT).resolve()}/report/index.html")


def build_partial_report():
    """A report of what there is, unless even the config was not accepted."""
    resolved = Path(ROOT) / "config.json"
    wanted = json.loads(json.dumps(BENCHMARK.to_json()))
    if not resolved.exists() or json.loads(resolved.read_text()) != wanted:
        return
    Path(WHOLE_REPORT).unlink(missing_ok=True)
    if subprocess.run([*COMMAND, "report", ROOT], check=False).returncode == 0:
        print(
            f"Partial report: {Path(ROOT).resolve()}/report/index.html",
            file=sys.stderr,
        )


onerror:
    build_partial_report()
    finish_tracker()
