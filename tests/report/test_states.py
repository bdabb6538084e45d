"""What the report says of runs that are not finished, damaged, stale or of other data."""

from __future__ import annotations

import platform
from pathlib import Path

import pandas as pd
import pytest
from support.reports import Report, report_of

from benchmarks import made_up
from pixelcnn.report.page import build_report
from pixelcnn.results.folder import folder_of
from pixelcnn.system.code_digest import code_digest
from pixelcnn.system.errors import UserError


@pytest.mark.parametrize(
    ("status", "folder", "why"),
    [
        ("failed", "digits/broken/seed0", "RunFailed: NaN"),
        ("running", "digits/broken/seed1", "6 of 12 epochs"),
        ("running", "digits/broken/seed1", "it may have been killed"),
        ("damaged", "digits/broken/seed2", "metrics.json: damaged"),
        ("outdated", "digits/told/seed2", "the config now asks for"),
        ("missing", "digits/absent/seed{0,1,2}", "no folder"),
    ],
)
def test_a_run_without_a_result_is_named_above_the_results(
    mixed: Report, status: str, folder: str, why: str
) -> None:
    top = mixed.page[: mixed.page.index("Results by variant")]
    notice = next(row for row in top.split("<tr>") if f"<code>{folder}</code>" in row)
    assert f">{status}<" in notice and why in notice
    line = next(row for row in mixed.markdown.splitlines() if row.startswith("|") and folder in row)
    assert f"**{status}**" in line and why in line


def test_trained_but_not_evaluated_is_said(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    made_up.write_run(made, made.run("digits", "a", 0), evaluated=False)
    # Test results that an earlier training left behind are not this training's.
    made_up.write_run(made, made.run("digits", "a", 1), metrics_values={"digest": "0" * 16})
    report = report_of(made)
    assert list(report.runs["status"]) == ["not evaluated"] * 2
    assert report.variants.loc["a", "n"] == 0
    assert "2 not evaluated" in report.page


def test_a_variant_without_any_result_is_a_row(mixed: Report) -> None:
    row = next(row for row in mixed.page.split("<tr") if 'data-value="absent"' in row)
    assert "0 of 3" in row and "no finished run" in row
    assert mixed.variants.loc["absent", "n"] == 0
    assert pd.isna(mixed.variants.loc["absent", "rank"])


def test_runs_that_mix_precision_are_warned_of(mixed: Report) -> None:
    assert "digits/plain: its seeds mix precision bfloat16 and float32" in mixed.page


def test_runs_of_uncommitted_code_are_counted(mixed: Report) -> None:
    assert "digits: 2 of its runs ran code that no commit holds (-dirty)." in mixed.page


def test_a_run_that_the_config_does_not_ask_for_is_named_and_left_out(mixed: Report) -> None:
    assert "digits/forgotten/seed2" in mixed.page
    assert "forgotten" not in mixed.variants.index


def test_nothing_there_yet_is_a_report_too(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path)
    folder_of(made).dataset("digits").data.unlink()
    report = report_of(made)
    assert "18 of 18 runs have no result: 18 missing" in report.page
    assert "nothing to compare" in report.page and "nothing to compare" in report.markdown
    assert list(report.variants["n"]) == [0] * 6


def test_damaged_pictures_are_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0], variants={"a": {"model": "a"}})
    folder = made_up.write_run(made, made.run("digits", "a", 0), nll=21.0)
    (folder / "samples.npz").write_bytes(b"not a zip file")
    folder_of(made).dataset("digits").data.write_bytes(b"PK")
    report = report_of(made)
    assert report.variants.loc["a", "nll_mean"] == 21.0
    assert "Left out: digits/a/seed0/samples.npz" in report.page
    assert "Left out: digits/data.npz" in report.page


def test_a_folder_of_no_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json: not found; expected the folder of one benchmark"):
        build_report(tmp_path)


def test_results_on_other_data_than_the_prepared_ones_are_outdated(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    made_up.write_run(made, made.run("digits", "a", 0), nll=21.0)
    made_up.write_run(made, made.run("digits", "a", 1), metrics_values={"data_sha256": "f" * 64})
    report = report_of(made)
    assert report.runs.status.tolist() == ["finished", "outdated"]
    assert report.variants.loc["a", "nll_mean"] == 21.0


def test_a_run_whose_checkpoint_is_gone_has_failed_and_one_whose_process_is_was_interrupted(
    tmp_path: Path,
) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    folder = made_up.write_run(made, made.run("digits", "a", 0))
    (folder / "checkpoint.pt").unlink()
    gone = {"host": platform.node(), "pid": 2**22 + 1}  # beyond the largest process number
    made_up.write_run(made, made.run("digits", "a", 1), status="running", record_values=gone)
    report = report_of(made)
    assert report.runs.status.tolist() == ["failed", "interrupted"]
    assert (
        "checkpoint is gone" in report.page
        and "its process was killed after 6 of 12 epochs; the same command resumes from its last saved state"
        in report.page
    )


def test_results_on_different_data_are_refused(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0], variants={"a": {"model": "a"}, "b": {"model": "b"}})
    made_up.write_run(made, made.run("digits", "a", 0))
    made_up.write_run(made, made.run("digits", "b", 0), metrics_values={"data_sha256": "f" * 64})
    folder_of(made).dataset("digits").data.unlink()  # as in a copy of the results without the data
    with pytest.raises(UserError, match=r"digits/a/seed0 and digits/b/seed0 .*data_sha256"):
        build_report(folder_of(made).path)
    assert not (folder_of(made).path / "report" / "index.html").exists()


def test_runs_trained_by_code_that_was_edited_since_are_flagged_and_counted(tmp_path: Path) -> None:
    variants = {name: {"model": name} for name in ("pixelcnn", "gated", "attention")}
    made = made_up.benchmark(tmp_path, seeds=[0, 1, 2], variants=variants)
    for spec in made.runs():
        code = code_digest(spec.variant.model)
        if spec.variant_name == "gated" and spec.seed != 1:
            code = "0" * 16
        values = {"code": None if spec.variant_name == "attention" else code}
        made_up.write_run(made, spec, record_values={**values, "commit": "fedcba9876543210"})
    report = report_of(made)
    stale = report.runs.stale
    assert stale["gated"].tolist() == [True, False, True]
    assert stale["pixelcnn"].tolist() == [False] * 3 and stale["attention"].isna().all()
    assert set(report.runs.status) == {"finished"} and report.variants.loc["gated", "n"] == 3
    assert report.variants.stale.to_dict() == {"pixelcnn": False, "gated": True, "attention": False}
    sentence = "digits/gated: stale, seeds 0, 2. The code that trained them (commit fedcba9876543210)"
    for text in (report.page, report.markdown):
        assert sentence in text and text.count("stale, seeds") == 1
    assert '<span class="tag">stale</span>' in report.page and "| gated (stale) |" in report.markdown
    assert report.page.count("<code>fedcba98</code>") == 3 + 9, "each variant and run names its commit"


@pytest.mark.parametrize(("codes", "alike"), [(("1", "1"), True), (("1", "2"), False), ((None, None), False)])
def test_commits_with_the_same_code_are_said_to_have_it(
    tmp_path: Path, codes: tuple[str | None, str | None], alike: bool
) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    for spec, code, commit in zip(made.runs(), codes, ("a" * 16, "b" * 16), strict=True):
        made_up.write_run(made, spec, record_values={"code": code, "commit": commit})
    report = report_of(made)
    for text in (report.page, report.markdown):
        assert ("has several commits, the code that decides its trainings is the same" in text) == alike


def test_a_run_that_went_on_under_other_conditions_is_named(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    first, second = made.runs()
    made_up.write_run(made, first)
    made_up.write_run(made, second, record_values={"resumes": 1, "changed": ["threads: 1, then 2"]})
    report = report_of(made)
    named = "digits/a/seed1: was interrupted and resumed under other conditions (threads: 1, then 2)"
    assert named in report.page and "seed0: was interrupted" not in report.page
    assert report.runs.resumes.tolist() == [0, 1]


def test_an_interrupted_run_is_told_from_a_failed_one(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, seeds=[0, 1], variants={"a": {"model": "a"}})
    first, second = made.runs()
    made_up.write_run(made, first, status="interrupted", record_values={"error": "stopped by SIGTERM"})
    made_up.write_run(made, second, status="failed", record_values={"error": "loss is NaN"})
    report = report_of(made)
    assert report.runs.status.tolist() == ["interrupted", "failed"]
    assert "stopped after 6 of 12 epochs; the same command resumes from its last saved state" in report.page


def test_an_analysis_or_a_cost_of_another_config_is_left_out(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0])
    made_up.write_all(made)
    for path in (
        folder_of(made).run_of(made.runs()[0]).path / "analysis.json",
        folder_of(made).cost("digits", "plain"),
    ):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(made.runs()[0].digest, "0" * 16), encoding="utf-8")
    report = report_of(made)
    assert pd.isna(report.runs.loc[("plain", 0), "gap"]) and 'id="data-digits-cost"' not in report.page


def test_a_damaged_analysis_costs_nothing_but_itself(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={"plain": {"model": "pixelcnn"}}, seeds=[0])
    made_up.write_all(made)
    folder = folder_of(made).run_of(made.runs()[0]).path
    for name in ("analysis.npz", "nats.npz"):
        (folder / name).write_bytes(b"damaged")
    (folder / "analysis.json").write_text("{", encoding="utf-8")
    report = report_of(made)
    assert report.runs.loc[("plain", 0), "status"] == "finished"
