"""Where things are and who may import whom: what the layout promises (docs/design.md)."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pixelcnn"

#: What each entry of the package may import of the others; no circles.
MAY_IMPORT = {
    "system": "",
    "config": "system",
    "statistics": "system",
    "incremental": "system",
    "layers": "incremental",
    "likelihoods": "config system",
    "models": "layers incremental likelihoods config system",
    "data": "config system",
    "results": "models likelihoods config system",
    "evaluation": "results data models likelihoods config system",
    "sampling": "models likelihoods incremental config system",
    "images": "sampling results data models likelihoods system",
    "coding": "sampling evaluation results data models likelihoods incremental config system",
    "training": "evaluation results data models layers likelihoods config system",
    "invariants": "sampling models likelihoods incremental config system",
    "analysis": "invariants training images sampling evaluation results data models likelihoods config "
    "system",
    "trained": "images sampling evaluation results data models likelihoods config system",
    "tuning": "results models config system",
    "scheduling": "tuning results data models config system",
    "report": "statistics images results data config system",
    "site": "report results config system",
    "merging": "results data config system",
    "tracking": "trained report results data config system",
    "cli": "analysis training images invariants sampling evaluation results data models likelihoods config "
    "system scheduling report site merging tracking trained tuning coding",
}

#: What a report, a Snakefile or a config reader imports: works in a moment and without torch.
WITHOUT_TORCH = [
    "cli",
    "config.benchmark",
    "data.prepared",
    "images.grids",
    "merging.joining",
    "report.page",
    "results.folder",
    "scheduling.estimates",
    "scheduling.jobs",
    "site.publish",
    "system.code_digest",
    "tracking.projection",
    "tracking.ui",
    "tuning.trials",
]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, path


def imports(path: Path) -> Iterator[str]:
    """Every module of the package that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute here"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                place = ROOT.joinpath(*whole.split("."))
                yield whole if place.is_dir() or place.with_suffix(".py").is_file() else str(node.module)


def entry(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_the_package_has_the_entries_of_the_layout_and_no_others():
    found = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.name not in ("__init__.py", "__main__.py", "__pycache__")
    }
    assert found == set(MAY_IMPORT)


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(name):
    allowed = {name, "", *MAY_IMPORT[name].split()}  # "" is the package itself: its version
    for module, path in modules():
        if entry(module) == name:
            ours = {i for i in imports(path) if i.partition(".")[0] == "pixelcnn"}
            wrong = {i for i in ours if entry(i) not in allowed}
            assert not wrong, f"{module} imports {wrong}"


def test_nothing_that_may_be_imported_goes_in_a_circle():
    for name, allowed in MAY_IMPORT.items():
        assert set(allowed.split()) <= set(MAY_IMPORT), f"{name} may import what is not there"
    list(graphlib.TopologicalSorter({k: set(v.split()) for k, v in MAY_IMPORT.items()}).static_order())


def test_no_module_imports_itself_in_a_circle():
    graph = {module: {i for i in imports(path) if i != module} for module, path in modules()}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_only_tracking_imports_mlflow_and_nothing_imports_snakemake():
    for module, path in modules():
        named = {i.partition(".")[0] for i in imports(path)}
        assert "snakemake" not in named, module
        assert entry(module) == "tracking" or "mlflow" not in named, module


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_it_is_imported_without_torch(name):
    code = f"import sys, pixelcnn.{name}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_check_for_leaks_knows_no_sampler():
    """What finds a leak must not depend on what a leak would spoil, nor on a layer's own word."""
    for module in ("leaks", "results"):
        named = set(imports(PACKAGE / "invariants" / f"{module}.py"))
        assert not {name for name in named if name.startswith(("pixelcnn.sampling", "pixelcnn.layers"))}
    assert not {i for i in imports(PACKAGE / "invariants" / "leaks.py") if entry(i) == "incremental"}
    loaded = "[name for name in sys.modules if name.startswith('pixelcnn.sampling')]"
    code = f"import sys, pixelcnn.invariants.leaks; sys.exit(str({loaded}) if {loaded} else 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_package_says_what_lives_there():
    for path in PACKAGE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_files_and_functions_are_short():
    for module, path in modules():
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 350, f"{module} is long: one idea a file"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert (node.end_lineno or 0) - node.lineno < 60, (
                    f"{module}.{node.name} does not fit a screen"
                )


#: Whose `open` is of no text file.
NO_TEXT = {"os", "webbrowser", "Image", "archive"}


def names_no_encoding(call: ast.Call) -> bool:
    """Whether a call opens, reads or writes text in the encoding of whatever locale it runs in."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    owner = getattr(call.func.value, "id", None) if isinstance(call.func, ast.Attribute) else ""
    if "encoding" in given:
        return False
    if called in ("read_text", "write_text") and owner != "":
        return len(call.args) < (1 if called == "read_text" else 2)
    if called == "open" and owner not in NO_TEXT:
        at = 1 if owner in ("", "gzip") else 0  # a path's own `open` begins with the mode
        mode = call.args[at] if len(call.args) > at else given.get("mode")
        text = getattr(mode, "value", "rb" if owner == "gzip" else "r")
        return "b" not in text and (owner != "gzip" or "t" in text)
    return "text" in given or "universal_newlines" in given


@pytest.mark.parametrize("folder", ["pixelcnn", "workflow", "benchmarks", "tests"])
def test_every_text_file_is_utf_8_whatever_the_locale(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and names_no_encoding(node):
                assert folder == "tests" and "text=True" in ast.unparse(node), f"{path}:{node.lineno}"


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ("path.read_text()", True),
        ("path.with_name(x).write_text(x)", True),
        ("path.write_text(x, encoding='utf-8')", False),
        ("read_text(path)", False),  # a function of one's own
        ("open(path)", True),
        ("open(path, 'wb')", False),
        ("path.open('a')", True),
        ("path.open(mode='rb')", False),
        ("gzip.open(path)", False),
        ("gzip.open(path, 'rt')", True),
        ("os.open(path, 0)", False),
        ("subprocess.run(command, text=True)", True),
    ],
)
def test_the_check_of_encodings_sees_them(source, lacks):
    assert names_no_encoding(ast.parse(source).body[0].value) == lacks
