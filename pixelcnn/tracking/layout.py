"""How MLflow's pages of a benchmark look at first: columns, order and charts. Knows nothing of MLflow.

The UI keeps such a view as a tag of the experiment, in the words of its own source (3.17), and an address
names it. It is where a user starts: whatever he then changes stays in his browser.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.results.metric_table import METRICS, RANKED_BY, metric

#: The pictures that were drawn while a run trained, as MLflow's images by step. What stands before the slash
#: is a section of its own, which the UI puts above the metrics of a run.
PICTURES_KEY = "samples/while training"
PICTURES_FOLDER, PICTURES_TAG = "images", "mlflow.loggedImages"
SMALL_PICTURE = (256, 256)  # pixels at most, shown where there are many
VIEW = "pixelcnn"
#: The metric that the trials of a tuning are judged by.
CHOSEN_BY = "best_valid_nll"
EXPERIMENT_KIND = ("mlflow.experimentKind", "custom_model_development")  # the UI's word for training
# Without the first the UI of MLflow 3 shows an experiment's GenAI pages, whatever its kind.
TABLE_QUERY = f"workflowType=machine_learning&viewStateShareKey={VIEW}"
CHARTS_QUERY = "compareRunsMode=CHART"

#: Columns of the runs table with their width in pixels, in the order of the table.
FIXED_COLUMNS = {"1": 73, "attributes.`Run Name`": 240, "runDateAndNestInfo": 150, "duration": 90}


def metric_columns() -> dict[str, int]:
    """The metrics with a column in the runs table, and its width in pixels."""
    shown = [(m.tracked.name or m.key, m.tracked.width) for m in METRICS if m.tracked]
    return {name: width for name, width in shown if width is not None}


def comparison_columns() -> list[str]:
    """The columns of the report's comparison.csv that the benchmark's own run has, as COLUMN/VARIANT."""
    numbers = [f"{m.key}_{part}" for m in METRICS if m.tracked for part in m.tracked.compared]
    behind = ["behind", "behind_low", "behind_high", "behind_p"]  # the best variant, with the report's p
    return ["rank", "n", *behind, *numbers]


def experiment_tags(benchmark: Benchmark) -> dict[str, str]:
    """The tags of an experiment by which the UI shows it as a training, in the view of `TABLE_QUERY`."""
    view = json.dumps(_view(benchmark), sort_keys=True)
    return dict([EXPERIMENT_KIND, (f"mlflow.sharedViewState.{VIEW}", view)])


def run_title(benchmark: Benchmark, dataset: str, variant: str, seed: int) -> str:
    """The name of a run: what tells runs apart comes first, since the UI cuts long names."""
    digits = len(str(max(benchmark.seeds)))  # so that names sort as seeds do
    title = f"{variant} · seed {seed:0{digits}}"
    return title if len(benchmark.datasets) == 1 else f"{title} · {dataset}"


def picture_name(step: int, moment: int, digest: str) -> str:
    """The file of a picture by step, as MLflow's `log_image` names it, so that the UI knows it by its name.

    `moment` is in milliseconds. MLflow ends it by a random id: sent again, a picture would be there twice.
    """
    known = uuid.uuid5(uuid.NAMESPACE_OID, digest)
    return f"{PICTURES_KEY.replace('/', '~')}+step+{step}+timestamp+{moment}+{known}"


def comparison_metric(benchmark: Benchmark, column: str, dataset: str, variant: str) -> str:
    """The name of a number of the comparison; the UI makes a section of what stands before the slash."""
    return f"{column}/{variant}" if len(benchmark.datasets) == 1 else f"{column}/{dataset}.{variant}"


def _view(benchmark: Benchmark) -> dict[str, Any]:
    columns = _columns(benchmark)
    ranked_by = RANKED_BY if benchmark.tunes is None else CHOSEN_BY
    return {
        "selectedColumns": list(columns),
        "columnOrder": [*FIXED_COLUMNS, *columns],
        "columnWidths": FIXED_COLUMNS | columns,
        "orderByKey": f"metrics.`{ranked_by}`",
        "orderByAsc": metric(ranked_by).better == "lower",
        "runsHiddenMode": "SHOW_ALL",
        "compareRunSections": _sections(),
        "compareRunCharts": _charts(_last_step(benchmark), ranked_by),
        "isAccordionReordered": True,
    }


def _columns(benchmark: Benchmark) -> dict[str, int]:
    """The columns of the runs table with their width; for trials of a tuning their values."""
    if benchmark.tunes is None:
        columns = {f"metrics.`{key}`": width for key, width in metric_columns().items()}
        columns |= {"tags.`dataset`": 110} if len(benchmark.datasets) > 1 else {}
        return columns | {"tags.`variant`": 130, "tags.`seed`": 70}
    columns = {f"metrics.`{CHOSEN_BY}`": metric_columns()[CHOSEN_BY], "tags.`tuned`": 130}
    assert benchmark.tunes.tuning is not None  # else it has no trials
    columns |= {f"params.`{key}`": 170 for key in benchmark.tunes.tuning.space}
    return columns | {"tags.`trial`": 60, "tags.`seed`": 70, "metrics.`training_seconds`": 135}


def _sections() -> list[dict[str, Any]]:
    """The charts' sections: ours opened, those of the report's single numbers closed."""
    named = {"Comparison": True, "Model metrics": False, **dict.fromkeys(comparison_columns(), False)}
    return [
        {"uuid": _section(name), "name": name, "display": display, "isReordered": True, "deleted": False}
        for name, display in named.items()
    ]


def _section(name: str) -> str:
    return f"{VIEW}-{name.lower().replace(' ', '-')}"


def _last_step(benchmark: Benchmark) -> int:
    """That of the pictures, of the longest training; of one that is validated more than once an epoch it is
    not known here, since that takes the data."""
    recipes = [benchmark.training.changed(variant.training) for variant in benchmark.variants.values()]
    return max(recipe.images or recipe.epochs or 0 for recipe in recipes)


def _charts(last_step: int, ranked_by: str) -> list[dict[str, Any]]:
    common = {"metricSectionId": _section("Comparison"), "deleted": False, "isGenerated": False}
    by_step = {
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "xAxisKey": "step",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "selectedXAxisMetricKey": "",
        "lineSmoothness": 0,
        "range": {},
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        "ignoreOutliers": True,
    }
    charts: list[dict[str, Any]] = [
        {
            "type": "IMAGE",
            "imageKeys": [PICTURES_KEY],
            "displayName": "samples while training",
            "step": last_step,
            "showRunParams": False,
            "runsCountToCompare": 20,
        },
        {"type": "BAR", "metricKey": ranked_by, "runsCountToCompare": 100},
        {"type": "LINE", "metricKey": "valid_nll", "runsCountToCompare": 100, **by_step},
        {
            "type": "SCATTER",
            "xaxis": {"key": "training_seconds", "type": "METRIC"},
            "yaxis": {"key": ranked_by, "type": "METRIC"},
            "runsCountToCompare": 100,
        },
    ]
    return [{"uuid": f"{VIEW}-chart{i}", **common, **chart} for i, chart in enumerate(charts)]
