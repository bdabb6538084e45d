"""Which code a training depends on: a digest by which a number can be told to be stale."""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
#: What every training imports, beside its architecture.
ROOT = "pixelcnn.training.loop"


@functools.cache
def code_digest(model: str, package: Path = PACKAGE) -> str:
    """16 hex digits of SHA-256 over the sources that the training of an architecture imports.

    `model` is a name, or the path of a user's own file: the file's content is part of a spec's digest,
    here only what it imports from the package counts. Comments, docstrings, blank lines and trailing
    white space do not.
    """
    digest = hashlib.sha256()
    for name, path in sorted(code_files(model, package).items()):
        digest.update(f"{name}\n{plain_code(path.read_text())}\n".encode())
    return digest.hexdigest()[:16]


def code_files(model: str, package: Path = PACKAGE) -> dict[str, Path]:
    """The modules of the package that the training of an architecture imports, and their files."""
    if model.endswith(".py"):
        own = Path(model)
        waiting = {ROOT, *(_imports(own.read_text(), "", False) if own.is_file() else ())}
    else:
        waiting = {ROOT, f"pixelcnn.models.{model}"}
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        path = _file(name, package)
        if path is None or name in found:
            continue
        found[name] = path
        # Importing a.b runs a, too.
        waiting |= {name.rpartition(".")[0], *_imports(path.read_text(), name, path.name == "__init__.py")}
    return found


def _file(name: str, package: Path) -> Path | None:
    """The file of a module, None if the name is not one of the package's modules."""
    first, *rest = name.split(".")
    if first != "pixelcnn":
        return None
    path = package.joinpath(*rest)
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def _imports(source: str, name: str, is_package: bool) -> set[str]:
    """Every name that might be a module in the imports of a source, wherever they stand."""
    found: set[str] = set()
    for node in _run(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".")
                parent = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parent, *([base] if base else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one but for those that only a type checker looks at."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from _run(child)


def plain_code(source: str) -> str:
    """A source without comments, docstrings, blank lines and trailing white space.

    Its text, not its syntax tree: that would be another one in another version of Python.
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            for row in range(text.lineno, (text.end_lineno or text.lineno) + 1):
                lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
