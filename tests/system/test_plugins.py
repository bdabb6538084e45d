"""A user's own file and the modules beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pixelcnn.data.sources
from pixelcnn.system import plugins
from pixelcnn.system.errors import ConfigError


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """What loading a file leaves in the process is gone after a test."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def own(folder: Path, helper: str = "SIZE = 6\n") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a_helper_of_mine.py").write_text(helper, encoding="utf-8")
    path = folder / "mine.py"
    path.write_text(
        "from a_helper_of_mine import SIZE\ndef later():\n    import a_late_one\n    return a_late_one.X\n",
        encoding="utf-8",
    )
    (folder / "a_late_one.py").write_text("X = 7\n", encoding="utf-8")
    return path


def test_helpers_beside_a_file_are_found_wherever_the_command_is_started(tmp_path, monkeypatch):
    path = own(tmp_path / "folder")
    monkeypatch.chdir("/")
    module = plugins.load(str(path), pixelcnn.data.sources)
    assert module.SIZE == 6 and module.later() == 7


def test_so_they_are_by_the_installed_command(tmp_path):
    path = own(tmp_path / "folder")
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import pixelcnn.data.sources\nfrom pixelcnn.system import plugins\n"
        f"plugins.load({str(path)!r}, pixelcnn.data.sources)"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True)


def test_two_helpers_of_one_name_are_refused_since_the_wrong_one_would_run(tmp_path):
    plugins.load(str(own(tmp_path / "one")), pixelcnn.data.sources)
    other = own(tmp_path / "two", "SIZE = 8\n")
    with pytest.raises(
        ConfigError, match=r"imports a_helper_of_mine, which is .*one.* and not .*two.*rename it"
    ):
        plugins.load(str(other), pixelcnn.data.sources)


@pytest.mark.parametrize(
    ("text", "said"),
    [("import no_such_module_at_all", "ModuleNotFoundError"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_reason(tmp_path, text, said):
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    for _ in range(2):  # a second attempt must not find half a module
        with pytest.raises(ConfigError, match=f"mine.py: cannot be imported: {said}"):
            plugins.load(str(path), pixelcnn.data.sources)
