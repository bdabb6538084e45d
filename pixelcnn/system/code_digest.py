"""Which code decides the result of a training: digests by which a number can be told to be stale.

Two digests, two questions. That of the package's code (`code_digest`) asks whether today's code would give
the same; it covers a list of whole modules and stands in a run's record. That of the user's own files
(`own_files`) is a part of what a run is, of its spec. Comments, docstrings, blank lines and trailing white
space are no code.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

#: What every training runs, and what decides which weights it begins with and which it chooses. Not the
#: incremental engine, the samplers, MLflow, the report: they look at what was trained.
PINNED = (
    "config.budget",
    "data.images",
    "evaluation.likelihoods",
    "layers",
    "likelihoods",
    "models.base",
    "models.registry",
    "system.devices",
    "system.seeding",
    "training.average",
    "training.batches",
    "training.best",
    "training.driving",
    "training.loop",
    "training.optimizers",
    "training.stacked",
    "training.step",
)

#: What counts for the architectures that import it: others, and the fields that the oracle's weights are of.
FOLLOWED = ("models.", "config.random_field")


@functools.cache
def code_digest(model: str, package: Path = PACKAGE) -> str:
    """16 hex digits of SHA-256 over the package's code that decides the trainings of an architecture.

    `model` is a name, or the path of a user's own file, of which here only counts what it imports of
    `pixelcnn.models`.
    """
    return digest_of(code_files(model, package))[:16]


def digest_of(files: Mapping[str, Path]) -> str:
    """SHA-256 over the code of modules, by name."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\n{plain_code(path.read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()


def code_files(model: str, package: Path = PACKAGE, pinned: Sequence[str] = PINNED) -> dict[str, Path]:
    """The `pinned` modules, and that of an architecture with those of others that it imports."""
    found = {name: path for entry in pinned for name, path in _modules(entry, package)}
    if model.endswith(".py"):
        waiting = {name for path in own_files(model) for name in _imports(Path(path))}
    else:
        waiting = {f"pixelcnn.models.{model}"}
    while waiting:
        name = waiting.pop().removeprefix("pixelcnn.")
        path = package.joinpath(*name.split(".")).with_suffix(".py")
        if name.startswith(FOLLOWED) and name not in found and path.is_file():
            found[name] = path
            waiting |= _imports(path)
    return found


def _modules(name: str, package: Path) -> Iterator[tuple[str, Path]]:
    """The modules of a package, or the one module of that name."""
    path = package.joinpath(*name.split("."))
    if path.is_dir():
        yield from ((f"{name}.{file.stem}", file) for file in path.glob("*.py"))
    else:
        yield name, path.with_suffix(".py")


def own_files(name: str) -> dict[str, str]:
    """SHA-256 of the code of a user's file and of every module beside it that it imports, by path.

    The file comes first. Nothing if `name` is no path of a .py file; one that is missing is left to the
    checks.
    """
    first = Path(name)
    if not name.endswith(".py") or not first.is_file():
        return {}
    # Python looks beside the file that a link leads to.
    folder = first.resolve().parent if first.is_symlink() else first.parent
    waiting, found = [first], {}
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = _code_sha256(path)
        package = path.parent.relative_to(folder).parts if path != first else ()
        waiting += [helper for dotted in _imports(path, package) for helper in _beside(folder, dotted)]
    helpers = sorted(path for path in found if path != first)
    return {str(path): found[path] for path in (first, *helpers)}


def _beside(folder: Path, dotted: str) -> Iterator[Path]:
    """The files below a folder that importing a dotted name runs, but for this package's own."""
    parts = dotted.split(".")
    if parts[0] == PACKAGE.name:  # a file that lies beside a checkout's package
        return
    for length in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:length])
        yield from (path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file())


def _code_sha256(path: Path) -> str:
    source = path.read_bytes()
    try:
        code = plain_code(source.decode()).encode()
    except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):
        code = source  # whoever imports it will say what is wrong
    return hashlib.sha256(code).hexdigest()


def _imports(path: Path, package: tuple[str, ...] = ()) -> set[str]:
    """Every name that might be a module in the imports of a file of `package`, wherever they stand."""
    found: set[str] = set()
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return found
    for node in _run(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}".lstrip(".") for alias in node.names)} - {""}
    return found


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one but for those that only a type checker looks at."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from _run(other)
            continue
        yield child
        yield from _run(child)


def plain_code(source: str) -> str:
    """A source without comments, docstrings, blank lines and trailing white space.

    Its text, not its syntax tree: that would be another one in another version of Python.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    lines = source.split("\n")  # as the parser counts them
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            first, last = text.lineno - 1, (text.end_lineno or text.lineno) - 1
            before = lines[first].encode()[: text.col_offset].decode()
            after = lines[last].encode()[text.end_col_offset :].decode()
            if not before.strip() and not after.strip():  # else there is code on its lines
                lines[first : last + 1] = [""] * (last + 1 - first)
    return "\n".join(line.rstrip() for line in lines if line.strip())
