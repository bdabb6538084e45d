"""The pages of a site besides the reports: the index, and each benchmark's table of records."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from pixelcnn.report import text
from pixelcnn.results.metric_table import RANKED_BY
from pixelcnn.site.learnt import learnt

Entry = dict[str, Any]


def index_page(entries: list[Entry]) -> str:
    """A card for each benchmark, what was learnt, and a table of the trained models."""
    return _render("index.html.j2", **_listed(entries))


def readme(entries: list[Entry]) -> str:
    """The same for who looks at the folder on GitHub."""
    return _render("README.md.j2", **_listed(entries))


def _listed(entries: list[Entry]) -> dict[str, Any]:
    models = [model for entry in entries for model in _models(entry)]
    return {"cards": [_card(entry) for entry in entries], "learnt": learnt(entries), "models": models}


def records_page(entry: Entry, folder: Path) -> str:
    """A row a run, with its records in `folder`."""
    rows = [(run, _files(run["records"], folder)) for run in entry["runs"]]
    return _render("records.html.j2", entry=entry, rows=rows)


def _files(records: str | None, folder: Path) -> list[tuple[str, str]]:
    """Name and address of each record of a run."""
    paths = sorted((folder / records).iterdir()) if records else []
    return [(path.name, path.relative_to(folder).as_posix()) for path in paths]


def _card(entry: Entry) -> dict[str, Any]:
    finished = sum(run["status"] == "finished" for run in entry["runs"])
    names = list(dict.fromkeys(variant["variant"] for variant in entry["variants"]))
    return entry | {
        "finished": finished,
        "names": names,
        "bests": [_best(entry, dataset) for dataset in entry["datasets"]],
        "picture": next((d for d in entry["datasets"] if d["picture"]), None),
    }


def _best(entry: Entry, dataset: Entry) -> dict[str, Any]:
    """The best variant of a dataset, in numbers and words."""
    mine = [v for v in entry["variants"] if v["dataset"] == dataset["name"]]
    best = next((v for v in mine if v["variant"] == dataset["best"]), None)
    if best is None:
        return {"dataset": dataset["name"], "variant": None, "conditional": False}
    nll, bits = best["metrics"][RANKED_BY], best["metrics"]["comparable_bits_per_dim"]
    return {
        "dataset": dataset["name"],
        "variant": best["variant"],
        "conditional": best["conditional"],
        "nll": nll,
        "bits": bits,
        "certain": _certain(best, [v for v in mine if v["rank"]]),
    }


def _certain(best: Entry, ranked: list[Entry]) -> str:
    """Whether it is the best of them for certain."""
    if len(ranked) < 2 or best["worst_rank"] is None:
        return ""
    below = sum(
        v["truth"] and v["rank"] < best["rank"] for v in ranked
    )  # the truth, which competes with none
    if best["worst_rank"] <= 1 + below:
        return "certainly the lowest"
    return f"not certain: rank {best['best_rank']} to {best['worst_rank']}"


def _models(entry: Entry) -> Iterator[dict[str, Any]]:
    """The trained models of a benchmark, each with its run."""
    runs = {(run["dataset"], run["variant"], run["seed"]): run for run in entry["runs"]}
    for model in entry["models"]:
        run = runs[model["dataset"], model["variant"], model["seed"]]
        yield model | {"title": entry["title"], "conditional": run["conditional"], "metrics": run["metrics"]}


def _render(template: str, **values: Any) -> str:
    return _environment(html=".html" in template).get_template(template).render(**values)


@functools.cache
def _environment(*, html: bool) -> jinja2.Environment:
    """Templates of the site, with the style of the report."""
    own = resources.files("pixelcnn.site").joinpath("templates")
    style = resources.files("pixelcnn.report").joinpath("templates/style.css")

    def load(name: str) -> str:
        return (style if name == "style.css" else own.joinpath(name)).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": text.number, "md": text.markdown, "commit": text.commit}
    return environment
