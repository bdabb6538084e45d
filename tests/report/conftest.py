"""Two reports that tests only read."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from support.reports import HOSTILE, Report, report_of

from benchmarks import made_up
from pixelcnn.config.matching import Match
from pixelcnn.results.folder import folder_of
from pixelcnn.system.files import write_json

#: Shares of the NLL of images of four channels.
BY_CHANNEL = (0.5, 0.25, 0.15, 0.1)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A benchmark in the middle of its work, with everything that can go wrong in it."""
    made = made_up.benchmark(
        tmp_path_factory.mktemp("mixed"),
        title="Models & <i>more</i>",
        note="A budget of minutes.",
        tracking={"uri": "postgresql://me:secret@host/db"},
        variants={
            "independent": {"model": "independent"},
            "plain": {"model": "pixelcnn"},
            "told": {"model": "pixelcnn", "conditional": True},
            "broken": {"model": "gated_pixelcnn", "match_parameters": 8000},
            "absent": {"model": "pixelsnail"},
        },
    )
    made = replace(made, matched={"digits": {"broken": Match("channels", 14, 7728, {"channels": 14}, {})}})
    write_json(folder_of(made).config, made.to_json())
    for seed, nll in enumerate((20.0, 20.2, 20.7)):
        made_up.write_run(
            made,
            made.run("digits", "plain", seed),
            nll=nll,
            by_channel=BY_CHANNEL,
            record_values={"precision": "bfloat16" if seed == 2 else "float32"},
        )
    for seed, nll in enumerate((20.1, 20.3)):
        made_up.write_run(
            made,
            made.run("digits", "told", seed),
            nll=nll,
            by_channel=BY_CHANNEL if seed == 0 else (),  # the other one was evaluated by older code
            record_values={"commit": "abc-dirty"},
        )
    stale = made.run("digits", "told", 2)
    stale = replace(stale, training=replace(stale.training, learning_rate=0.5))
    made_up.write_run(made, stale, nll=1.0)
    for seed in range(3):
        made_up.write_run(made, made.run("digits", "independent", seed), nll=90.0 + seed)
    failed, running, unread = (made.run("digits", "broken", seed) for seed in range(3))
    made_up.write_run(made, failed, status="failed", record_values={"error": HOSTILE})
    silent = made_up.write_run(made, running, status="running")
    os.utime(silent / "record.json", (1e9, 1e9))
    (made_up.write_run(made, unread) / "metrics.json").write_text("{", encoding="utf-8")
    made_up.write_run(made, replace(stale, variant_name="forgotten"))
    return report_of(made, figures=True)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A benchmark where everything is finished, analysed and measured."""
    made = made_up.benchmark(tmp_path_factory.mktemp("whole"))
    made_up.write_all(made)
    return report_of(made, figures=True)
