"""One toy benchmark, made by the real Snakemake once for all tests, and trainings that can be held."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from support import finished as toy_benchmark
from support.snakemake import ROOT, inherited
from support.toy import Hold

from pixelcnn.config.reading import load_benchmark
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.scheduling import gpus
from pixelcnn.scheduling.hooks import NO_FORK_SERVER, ForkServer
from pixelcnn.system import forked, surroundings


@pytest.fixture(scope="session")
def finished(tmp_path_factory, empty_database) -> toy_benchmark.Finished:
    return toy_benchmark.make(tmp_path_factory.mktemp("finished"), empty_database)


@pytest.fixture(scope="package")
def fork_server(tmp_path_factory) -> Iterator[str]:
    """The address of one for the jobs of several workflows, whose own would take seconds each to import.

    None where a workflow would start none either.
    """
    if sys.platform != "linux" or gpus.here(load_benchmark(ROOT / "config.yaml"), os.environ):
        yield NO_FORK_SERVER
        return
    with pytest.MonkeyPatch.context() as patch:
        later = os.environ.keys() - inherited().keys()
        for name in {"PIXELCNN_DATA_ROOT", "MLFLOW_TRACKING_URI", forked.ADDRESS, *later}:
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("GOMP_SPINCOUNT", surroundings.SPINS)
        server = ForkServer(BenchmarkFolder(tmp_path_factory.mktemp("fork_server")), threads=1)
        server.start()
        address = os.environ[forked.ADDRESS]
    yield address
    server.finish()


@pytest.fixture
def copied(finished, fork_server, monkeypatch, tmp_path) -> toy_benchmark.Finished:
    """A copy that may be changed."""
    monkeypatch.setenv(forked.ADDRESS, fork_server)
    return finished.copy(tmp_path / "copy")


@pytest.fixture
def hold(tmp_path):
    """Trainings of `held_toy` in `tmp_path` wait in the middle; none is left waiting."""
    hold = Hold(tmp_path)
    yield hold
    hold.release()
