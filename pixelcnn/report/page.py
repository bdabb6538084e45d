"""From collected runs to the files of the report. The page itself comes last: if it is new, all is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pixelcnn.report.collect import Collected, DatasetRuns, collect
from pixelcnn.report.differences import differences_of
from pixelcnn.report.findings import find
from pixelcnn.report.links import read_links
from pixelcnn.report.looks import Asked, note_looks, read_looks
from pixelcnn.report.pairs import compare_pairs
from pixelcnn.report.plates import Plates
from pixelcnn.report.render import Shown, html_page, markdown_page
from pixelcnn.report.sections import SECTIONS
from pixelcnn.report.sections.base import PICTURED, Download, Material, OfBenchmark, OfDataset, Whole
from pixelcnn.report.seed_mixtures import mix_seeds
from pixelcnn.report.style import data_uri
from pixelcnn.report.tables import comparison_table, findings_table, pairs_table, runs_table
from pixelcnn.results.folder import BenchmarkFolder, ReportFolder
from pixelcnn.results.made_of import report_digest
from pixelcnn.system.files import atomic

#: The tables for machines, in words.
WHAT = {
    "metrics": "a row a run",
    "comparison": "a row a dataset and variant",
    "pairs": "a row a pair of variants",
    "findings": "a row a claim and pair of variants",
}


def build_report(benchmark_dir: Path) -> Path:
    """Write the report of whatever the benchmark's folder holds now; returns the page's path.

    Raises:
        UserError: if the folder is none of a benchmark, or its runs do not compare.
    """
    collected = collect(Path(benchmark_dir))
    read = BenchmarkFolder(collected.directory)
    made_of, folder, looks = report_digest(read, collected.benchmark), read.report, read_looks(read)
    materials = [_material(dataset, collected, folder.path, looks) for dataset in collected.datasets]
    tables = _write_tables(collected, materials, folder)
    whole = Whole(collected, materials, tables, read_links(collected.directory))
    shown = _build_sections(whole)
    made = {plate.file for part in shown for plate in part.content.plates}
    _remove_others(folder.figures, made)
    _write(folder.text, markdown_page(whole, shown))
    page = _write(folder.page, html_page(whole, shown))
    note_looks(read, collected.datasets, looks)
    _write(folder.made_of, made_of)  # last: by it the rest is known to be of these records
    return page


def _material(
    dataset: DatasetRuns, collected: Collected, target: Path, looks: Mapping[str, Sequence[Asked]]
) -> Material:
    differences = differences_of(dataset, collected.benchmark, looks)
    results = differences.results
    plates = Plates(dataset, results[:PICTURED], target)
    return Material(
        collected,
        dataset,
        results,
        compare_pairs(differences),
        find(differences),
        plates,
        plates.counts(),
        mix_seeds(results),
    )


def _build_sections(whole: Whole) -> list[Shown]:
    """Those of the benchmark last: they also say what the pictures of a dataset had to leave out."""
    shown: list[Shown] = []
    for material in whole.materials:
        for section in SECTIONS:
            if isinstance(section, OfDataset) and (content := section.build(material)):
                shown.append(Shown(section, content, material))
    for section in SECTIONS:
        if isinstance(section, OfBenchmark) and (content := section.build(whole)):
            shown.append(Shown(section, content))
    return shown


def _write_tables(collected: Collected, materials: list[Material], folder: ReportFolder) -> list[Download]:
    tables = {
        folder.metrics: runs_table(collected.runs),
        folder.comparison: comparison_table([(m.dataset, m.results, m.pairs, m.mixtures) for m in materials]),
        folder.pairs: pairs_table([(m.dataset, m.pairs) for m in materials]),
        folder.findings: findings_table([(m.dataset, m.findings) for m in materials]),
    }
    texts = {path: table.to_csv(index=False) for path, table in tables.items()}
    for path, content in texts.items():
        _write(path, content)
    return [
        Download(path.name, data_uri(content.encode(), "text/csv"), WHAT[path.stem])
        for path, content in texts.items()
    ]


def _remove_others(figures: Path, made: set[str]) -> None:
    """What an earlier report pictured and this one does not, such as a variant that was renamed."""
    for path in figures.glob("[!.]*"):
        if f"figures/{path.stem}.png" not in made:
            path.unlink()


def _write(path: Path, content: str) -> Path:
    with atomic(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path
