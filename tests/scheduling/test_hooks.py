"""The lock of a results folder, the tracker's process and the partial report, without a workflow."""

from __future__ import annotations

import sys

import pytest
from support.toy import toy
from support.waiting import wait_for

from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import hooks
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import write_json

#: Stands for `pixelcnn track`: says what it was called with, and ends at SIGTERM with a status of its own.
TRACK = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: {answer})
print(*sys.argv[1:], flush=True)
while True: time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return folder_of(load_resolved(toy(tmp_path)))


def tracker(folder, answer):
    return hooks.Tracker(folder, [sys.executable, "-c", TRACK.format(answer=answer)])


def test_one_workflow_a_folder(folder):
    with hooks.hold(folder), pytest.raises(UserError) as refused:
        hooks.hold(folder)
    said = str(refused.value)
    assert said.startswith(
        "Another snakemake works on results/toy, so this one did nothing: wait for its end."
    )
    assert "in use by process" in said
    hooks.hold(folder).close()


@pytest.mark.parametrize("status", [0, 1])
def test_the_tracker_is_asked_to_end_and_its_word_is_taken(folder, capsys, status):
    folder.path.mkdir(parents=True)
    folder.config.write_text("{}", encoding="utf-8")
    process = tracker(folder, f"sys.exit({status})")
    process.start()
    wait_for(lambda: "track results/toy --watch --parent-pid" in process.log.read_text(encoding="utf-8"))
    assert process.finish() == (status == 0)
    said = capsys.readouterr().err
    assert ("MLflow has not got everything: see results/toy/logs/track.log" in said) == (status == 1)


def test_a_tracker_that_was_not_started_owes_nothing(folder):
    assert tracker(folder, "None").finish()


def test_a_tracker_that_does_not_end_is_ended(folder, capsys):
    process = tracker(folder, "None")
    process.start()
    wait_for(lambda: "track" in process.log.read_text(encoding="utf-8"))
    assert not process.finish(seconds=0.1)
    assert capsys.readouterr().err == "", "without a config there was nothing to deliver"


def test_a_partial_report_is_of_the_config_that_was_accepted_and_not_taken_for_the_whole(folder):
    benchmark = load_resolved("toy.yaml")
    code = "import sys; sys.exit(sys.argv[1:] != ['report', 'results/toy'])"
    report = [sys.executable, "-c", code]
    assert hooks.partial_report(benchmark, report) is None, "no config was accepted"
    write_json(folder.config, benchmark.to_json() | {"title": "another"})
    folder.report.path.mkdir()
    folder.report.whole.touch()
    assert hooks.partial_report(benchmark, report) is None and folder.report.whole.exists()
    write_json(folder.config, benchmark.to_json())
    assert hooks.partial_report(benchmark, report) == folder.report.page
    assert not folder.report.whole.exists()
    assert hooks.partial_report(benchmark, [sys.executable, "-c", "raise SystemExit(1)"]) is None
    below_truth = f"open({str(folder.report.made_of)!r}, 'w').close(); raise SystemExit(1)"
    assert hooks.partial_report(benchmark, [sys.executable, "-c", below_truth]) == folder.report.page
    assert hooks.partial_report(benchmark, [sys.executable, "-c", "raise SystemExit(1)"]) is None
