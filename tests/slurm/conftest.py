"""The throw-away cluster of these tests. Run them by `make test-slurm`."""

from __future__ import annotations

import pytest
from slurm import cluster


@pytest.fixture(scope="session", autouse=True)
def slurm():
    try:
        cluster.up()
    except cluster.Unfit as reason:
        pytest.exit(f"no test cluster on this machine: {reason}", returncode=1)
    yield
    cluster.down()
