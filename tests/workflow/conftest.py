"""One toy benchmark, made by the real Snakemake once for all tests, and trainings that can be held."""

from __future__ import annotations

import pytest
from support import finished as toy_benchmark
from support.toy import Hold


@pytest.fixture(scope="session")
def finished(tmp_path_factory, empty_database) -> toy_benchmark.Finished:
    return toy_benchmark.make(tmp_path_factory.mktemp("finished"), empty_database)


@pytest.fixture
def copied(finished, tmp_path) -> toy_benchmark.Finished:
    """A copy that may be changed."""
    return finished.copy(tmp_path / "copy")


@pytest.fixture
def hold(tmp_path):
    """Trainings of `held_toy` in `tmp_path` wait in the middle; none is left waiting."""
    hold = Hold(tmp_path)
    yield hold
    hold.release()
