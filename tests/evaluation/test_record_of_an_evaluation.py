"""What an evaluation notes in the record of its run."""

from __future__ import annotations

import pytest
from support.small import run_spec

from pixelcnn.evaluation.run import noted_in_record
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import Record
from pixelcnn.system.errors import RunFailed, UserError


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """A run whose training has ended well."""
    record = Record.new(
        run_spec(), commit=None, versions={}, device="", threads=1, precision="float32", parameters=1
    )
    record.end("finished")
    record.write(RunFolder(tmp_path).record_file)
    return RunFolder(tmp_path)


def fail(folder: RunFolder) -> None:
    with pytest.raises(RunFailed, match="not finite"), noted_in_record(folder.path):
        raise RunFailed("not finite")


def test_a_run_without_a_likelihood_has_failed_until_it_is_evaluated_well(folder):
    fail(folder)
    failed = folder.record()
    assert (failed.status, failed.error) == ("failed", "evaluation: not finite")
    with noted_in_record(folder.path):
        pass
    mended = folder.record()
    assert (mended.status, mended.error, mended.run_id) == ("finished", None, failed.run_id)


def test_an_evaluation_that_went_well_leaves_the_record_as_it_is(folder):
    before = folder.record_file.stat().st_mtime_ns
    with noted_in_record(folder.path):
        pass
    assert folder.record_file.stat().st_mtime_ns == before


def test_another_mistake_is_none_of_the_run(folder):
    with pytest.raises(UserError), noted_in_record(folder.path):
        raise UserError("no data")
    assert folder.record().status == "finished"


def test_a_folder_without_a_record_gets_none(tmp_path):
    with noted_in_record(tmp_path):
        pass
    fail(RunFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []
