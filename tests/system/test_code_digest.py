"""Which edits make a run stale: those of the code that its training imports, and no others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixelcnn.system.code_digest import PACKAGE, code_digest, code_files


@pytest.fixture
def package(tmp_path) -> Path:
    """A copy of the package to edit."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path / "copy", ignore=ignored))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path} has changed: {old!r} is not there"
    path.write_text(text.replace(old, new, 1))


def changed(package: Path, models=("pixelcnn", "gated", "attention")) -> set[str]:
    """The architectures whose digest is no longer that of the package."""
    now = {model: code_digest.__wrapped__(model, package) for model in models}
    return {model for model, digest in now.items() if digest != code_digest(model)}


def test_a_copy_elsewhere_has_the_same_digest(package):
    assert changed(package) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("training/loop.py", "CHECK_EVERY = 25", "CHECK_EVERY = 26", {"pixelcnn", "gated", "attention"}),
        ("training/step.py", "0.5 * (1 +", "0.4 * (1 +", {"pixelcnn", "gated", "attention"}),
        (
            "likelihoods/base.py",
            "import torch\n",
            "import torch\n\nX = 1\n",
            {"pixelcnn", "gated", "attention"},
        ),
        ("models/gated.py", "import", "import math\nimport", {"gated"}),
        ("layers/attention.py", "import", "import math\nimport", {"attention"}),
        ("report/tables.py", "import", "import math\nimport", set()),
        ("tracking/projection.py", "import", "import math\nimport", set()),
        ("cli/__init__.py", "import argparse", "import math\nimport argparse", set()),
    ],
)
def test_an_edit_reaches_the_architectures_that_import_it(package, file, old, new, stale):
    path = package / file
    start = path.read_text().index("from __future__")
    text = path.read_text()
    path.write_text(text[:start] + text[start:].replace(old, new, 1))
    assert path.read_text() != text
    assert changed(package) == stale


def test_comments_docstrings_and_blank_lines_do_not_count(package):
    path = package / "training" / "step.py"
    edit(path, "import copy\n", "\n\nimport copy   # to copy\n# a comment of its own\n")
    edit(path, '"""Adam or AdamW over all weights', '"""Adam, or AdamW,\n\n    # over all the weights')
    edit(path, '"""One optimizer step: ', '"""A single step of the optimizer: ')
    assert changed(package) == set()
    edit(path, '"adam": torch.optim.Adam,', '"adam # no comment": torch.optim.Adam,')
    assert changed(package) == {"pixelcnn", "gated", "attention"}


def test_what_a_users_own_file_imports_counts_and_its_content_does_not(package, tmp_path):
    own = tmp_path / "mine.py"
    own.write_text("from pixelcnn.layers.attention import CausalAttention\n")
    with_attention = code_digest.__wrapped__(str(own), package)
    own.write_text("from pixelcnn.layers.attention import CausalAttention\nx = 1\n")
    assert code_digest.__wrapped__(str(own), package) == with_attention
    edit(package / "layers" / "attention.py", "import torch\n", "import torch\n\nX = 1\n")
    assert code_digest.__wrapped__(str(own), package) != with_attention
    assert "pixelcnn.layers.attention" not in code_files(str(tmp_path / "missing.py"))


def test_the_files_are_those_that_python_imports():
    """What a training process has loaded is among the files, and so nothing is overlooked."""
    code = (
        "import sys, pixelcnn.training.loop, pixelcnn.models.gated;"
        "print(*(name for name in sys.modules if name.partition('.')[0] == 'pixelcnn'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    loaded = set(done.stdout.split())
    assert {"pixelcnn.training.loop", "pixelcnn.layers.gated"} <= loaded
    assert loaded <= set(code_files("gated"))


def test_asking_does_not_import_torch():
    code = (
        "import sys; from pixelcnn.system.code_digest import code_digest; code_digest('gated');"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "False", done.stderr
