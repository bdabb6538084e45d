"""The refusal to compare what does not compare."""

from __future__ import annotations

from collections.abc import Mapping

from pixelcnn.results.records import Metrics
from pixelcnn.system.errors import UserError

#: What must agree before the test results of two runs of one dataset may stand in one table.
COMPARABLE_BY = ("data_sha256", "split", "images", "dims", "levels")


def check_comparable(metrics: Mapping[str, Metrics]) -> None:
    """Refuse test results, by name of their run, that come from different data.

    Raises:
        UserError: naming two runs, and what differs between them.
    """
    names = list(metrics)
    for name in names[1:]:
        for key in COMPARABLE_BY:
            expected, found = getattr(metrics[names[0]], key), getattr(metrics[name], key)
            if found != expected:
                raise UserError(
                    f"{names[0]} and {name} were evaluated on different data and do not compare: "
                    f"{key} is {expected!r} in the one and {found!r} in the other; "
                    "evaluate both on the same prepared data"
                )
