"""Which edits make a run stale: those of the code that decides its result, and no others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixelcnn.system.code_digest import PACKAGE, code_digest, code_files, own_files, plain_code

NAMED = ("pixelcnn", "gated", "attention")
#: What a run depends on: one of a user's own model, with a helper beside it, and those of the package.
OWN = "from pixelcnn.models.gated import GatedPixelCNN\nimport helper\n\nclass Mine(GatedPixelCNN): ...\n"


def copied(folder: Path) -> Path:
    """A copy of the package to edit, and a user's files beside it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "pixelcnn", ignore=ignored)
    (folder / "mine.py").write_text(OWN, encoding="utf-8")
    (folder / "helper.py").write_text("WIDTH = 3\n", encoding="utf-8")
    return folder


@pytest.fixture
def place(tmp_path) -> Path:
    return copied(tmp_path)


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> dict[str, object]:
    """The digests of a copy that is not edited."""
    return digests(copied(tmp_path_factory.mktemp("before")))


def digests(place: Path) -> dict[str, object]:
    """By what the runs of each architecture are told from those of other code."""
    own, package = str(place / "mine.py"), place / "pixelcnn"
    found: dict[str, object] = {model: code_digest.__wrapped__(model, package) for model in NAMED}
    return found | {"own": (code_digest.__wrapped__(own, package), list(own_files(own).values()))}


ALL = {*NAMED, "own"}
#: An edit -> the architectures whose runs become stale by it.
EDITS = [
    ("pixelcnn/sampling/fast.py", "from __future__", "import math\nfrom __future__", set()),
    ("pixelcnn/incremental/memory.py", "from __future__", "import math\nfrom __future__", set()),
    ("pixelcnn/report/page.py", "from __future__", "import math\nfrom __future__", set()),
    ("pixelcnn/tracking/projection.py", "from __future__", "import math\nfrom __future__", set()),
    ("pixelcnn/config/run_spec.py", "    patience:", "    momentum: float = 0.9\n    patience:", set()),
    ("pixelcnn/training/step.py", "import torch\n", "import torch  # for steps\n# a comment\n\n", set()),
    ("pixelcnn/training/optimizers.py", "0.5 * (1 +", "0.4 * (1 +", ALL),
    ("pixelcnn/training/average.py", "weight = 1 -", "weight = 0 -", ALL),
    ("pixelcnn/training/step.py", "self.done += 1", "self.done += 2", ALL),
    ("pixelcnn/training/loop.py", "CHECK_EVERY = 25", "CHECK_EVERY = 26", ALL),
    ("pixelcnn/training/batches.py", "torch.randperm(", "0 + torch.randperm(", ALL),
    ("pixelcnn/layers/attention.py", "0.5", "0.4", ALL),
    ("pixelcnn/likelihoods/categorical.py", "cumsum(dim=1)", "cumsum(dim=1) * 1", ALL),
    ("pixelcnn/evaluation/likelihoods.py", "BATCH_SIZE = 250", "BATCH_SIZE = 251", ALL),
    ("pixelcnn/models/gated.py", "import annotations", "import annotations\nX = 1", {"gated", "own"}),
    ("mine.py", "...", "x = 1", {"own"}),
    ("mine.py", "class", "# a comment\nclass", set()),
    ("helper.py", "3", "4", {"own"}),
    ("helper.py", "WIDTH", '"""Of the network."""\n\nWIDTH', set()),
]


@pytest.mark.parametrize(("file", "old", "new", "stale"), EDITS, ids=[f"{e[0]} {e[1][:12]}" for e in EDITS])
def test_an_edit_makes_stale_what_depends_on_it_and_nothing_else(place, before, file, old, new, stale):
    path = place / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} has changed: {old!r} is not there"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    after = digests(place)
    assert {model for model in after if after[model] != before[model]} == stale


def test_a_copy_elsewhere_has_the_same_digest(before):
    assert all(before[model] == code_digest(model) for model in NAMED)


def test_the_digest_covers_these_modules_and_no_others():
    assert {name for name in code_files("gated") if not name.startswith(("layers.", "likelihoods."))} == {
        "config.budget",
        "data.images",
        "evaluation.likelihoods",
        "models.base",
        "models.gated",
        "models.pixelcnn",
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
    }
    assert set(code_files("oracle")) - set(code_files("gated")) == {"models.oracle", "config.random_field"}
    whole = {f"layers.{path.stem}" for path in (PACKAGE / "layers").glob("*.py")}
    assert whole == {name for name in code_files("gated") if name.startswith("layers.")}
    assert not any(
        name.startswith(("sampling", "incremental", "config.run_spec")) for name in code_files("gated")
    )


def test_own_files_are_those_beside_that_are_imported_each_once_and_the_own_one_first(tmp_path):
    (tmp_path / "parts").mkdir()
    for name, text in {
        "mine.py": "import zoo, os\nfrom parts.deep import x\nif 1:\n    import late\n"
        "if TYPE_CHECKING:\n    import other\nelse:\n    import last\n"
        "if not TYPE_CHECKING:\n    import more\n",
        "last.py": "",
        "more.py": "",
        "zoo.py": "import mine\n",
        "late.py": "",
        "other.py": "",
        "parts/__init__.py": "from .beside import y\n",
        "parts/beside.py": "y = 1\n",
        "parts/deep.py": "from . import last_one\nx = 1\n",
        "parts/last_one.py": "",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = [str(Path(path).relative_to(tmp_path)) for path in own_files(str(tmp_path / "mine.py"))]
    assert found == [
        "mine.py", "last.py", "late.py", "more.py", "parts/__init__.py", "parts/beside.py", "parts/deep.py",
        "parts/last_one.py", "zoo.py",
    ]  # fmt: skip
    assert own_files("gated") == {} and own_files(str(tmp_path / "missing.py")) == {}


def test_a_file_that_is_no_python_has_a_digest_and_whoever_imports_it_complains(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def (\n", encoding="utf-8")
    first = own_files(str(path))
    path.write_text("def ((\n", encoding="utf-8")
    assert list(first) == [str(path)] and own_files(str(path)) != first


def test_helpers_of_a_linked_file_are_those_beside_what_the_link_leads_to(tmp_path):
    for folder in ("there", "here"):
        (tmp_path / folder).mkdir()
    (tmp_path / "there" / "mine.py").write_text("import helper\n", encoding="utf-8")
    (tmp_path / "there" / "helper.py").write_text("", encoding="utf-8")
    (tmp_path / "here" / "mine.py").symlink_to(tmp_path / "there" / "mine.py")
    found = [Path(path).resolve() for path in own_files(str(tmp_path / "here" / "mine.py"))]
    assert found == [tmp_path / "there" / "mine.py", tmp_path / "there" / "helper.py"]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ('"""Doc."""\nx = 1\n', "x = 1"),
        ('def f(x): "doc"; return x\n', 'def f(x): "doc"; return x'),
        ('"""Doc."""; LIMIT = 3\n', '"""Doc."""; LIMIT = 3'),
        ("\f\nrate = 0.5\nx = 1  # c\n", "rate = 0.5\nx = 1"),
        ('s = "\u2028"\nx = 1  # c\n', 's = "\u2028"\nx = 1'),
        ("x = 1\r\ny = 2  # c\r\n", "x = 1\ny = 2"),
        (
            'def f():\n    """Über.\n\n    More.\n    """\n    return "# no comment"\n',
            'def f():\n    return "# no comment"',
        ),
    ],
)
def test_code_is_what_is_no_comment_and_no_docstring(source, code):
    assert plain_code(source) == code


def test_asking_does_not_import_torch():
    code = (
        "import sys; from pixelcnn.system.code_digest import code_digest; code_digest('gated');"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "False", done.stderr
