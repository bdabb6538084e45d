"""Finding a dataset or an architecture by name, inside the package or in a user's own file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType

from pixelcnn.system.code_digest import code_digest, own_files
from pixelcnn.system.errors import ConfigError


def names(package: ModuleType) -> list[str]:
    """The public modules of a package: each is one dataset or one architecture."""
    found, helpers = pkgutil.iter_modules(package.__path__), getattr(package, "HELPERS", ())
    return sorted(m.name for m in found if not m.name.startswith("_") and m.name not in helpers)


def load(name: str, package: ModuleType) -> ModuleType:
    """The module called `name` in `package`, or the user's file if `name` ends in .py.

    A relative path is taken from the working directory. A file that was edited since this process
    imported it, or that imports one which was, is imported anew: its digest is of what runs.

    Raises:
        ConfigError: if there is no such module or file, or the file cannot be imported.
    """
    if name.endswith(".py"):
        return _load_file(Path(name))
    if name not in names(package):
        known = ", ".join(names(package))
        raise ConfigError(f"{name!r} is not known; expected one of {known}, or the path of a .py file")
    return importlib.import_module(f"{package.__name__}.{name}")


def said_by(error: BaseException, name: str) -> str:
    """An error that the code of a user's file raised, in one line: its type, its words, its place."""
    words = " ".join(str(error).split())
    kind = type(error).__name__
    places = _places(error, name)
    place = f" ({places[-1][0]}, line {places[-1][1]})" if places else ""
    return (f"{kind}: {words}" if words else kind) + place


def is_of(error: BaseException, name: str) -> bool:
    """Whether the code of a user's file, or of one beside it, was on the way to an error."""
    return bool(_places(error, name))


def _places(error: BaseException, name: str) -> list[tuple[str, int | None]]:
    """Files and lines of a user's file and those beside it on the way to an error."""
    files = {Path(file).resolve(): Path(file).name for file in own_files(name)}
    frames = traceback.extract_tb(error.__traceback__)
    return [(files[p], f.lineno) for f in frames if (p := Path(f.filename).resolve()) in files]


#: Of each module that was loaded from a file: what its code was then, see `own_files`.
_LOADED: dict[str, dict[str, str]] = {}


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file (looked in {Path.cwd()})")
    resolved = path.resolve()
    # One module a file: dataclasses and pickling look their module up in sys.modules.
    module_name = f"pixelcnn_user_{path.stem}_{hashlib.sha256(str(resolved).encode()).hexdigest()[:8]}"
    files = own_files(str(resolved))
    if module_name in sys.modules:
        if _LOADED.get(module_name) == files:
            return sys.modules[module_name]
        _forget(module_name, resolved)
    spec = importlib.util.spec_from_file_location(module_name, resolved)
    assert spec is not None and spec.loader is not None  # a path that ends in .py has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    _LOADED[module_name] = files
    # Modules beside it are found as beside a script, however this process was started.
    folder = str(resolved.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
        _check_helpers(resolved)
    except ConfigError:
        del sys.modules[module_name]
        raise
    except Exception as error:
        del sys.modules[module_name]
        raise ConfigError(f"{path}: cannot be imported: {said_by(error, str(resolved))}") from error
    return module


def _forget(module_name: str, path: Path) -> None:
    """Have a file and the modules beside it imported anew."""
    for file in map(Path, _LOADED.pop(module_name, {})):
        name = module_name if file == path else _module(file, path)
        sys.modules.pop(name, None)
        # Python takes compiled code for new by the second of an edit.
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
    importlib.invalidate_caches()
    code_digest.cache_clear()


def _module(helper: Path, path: Path) -> str:
    """The name by which the code of a file imports one beside it."""
    return ".".join(helper.relative_to(path.parent).with_suffix("").parts).removesuffix(".__init__")


def _check_helpers(path: Path) -> None:
    """Refuse a module beside a user's file that is hidden by another of its name: other code would run."""
    helpers = (Path(file) for file in own_files(str(path)))
    for helper in (file for file in helpers if file != path):
        name = _module(helper, path)
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded is not None and Path(loaded).resolve() != helper.resolve():
            raise ConfigError(f"{path}: imports {name}, which is {loaded} here and not {helper}; rename it")
