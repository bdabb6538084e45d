"""The trained models in a site of `pixelcnn publish`: which there are, what is said of them, their use."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import save_file
from support.reports import report_of
from support.small import prepared, small

from benchmarks import made_up
from pixelcnn.cli import main
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.models.base import ImageSpec
from pixelcnn.models.registry import build_model
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.results.made_of import report_digest
from pixelcnn.site.publish import publish
from pixelcnn.system.files import read_json, write_json

DIGITS = {"source": "digits", "image_size": 14, "levels": 2, "binarize": "threshold"}
#: Of the seeds: the second has the better validation NLL, the first the better test NLL.
VALID, TEST = (24.5, 24.1), (20.0, 20.9)


def exported(made: Benchmark, spec: RunSpec) -> None:
    """A network that was never trained, as `pixelcnn evaluate` exports one."""
    from pixelcnn.evaluation import export

    image = ImageSpec(1, 14, 14, 2, 10)
    weights = build_model(spec.variant, image)[0].state_dict()
    checkpoint = Checkpoint(spec, image, made_up.data_sha256(spec.dataset), 12, weights, weights)
    export.save(checkpoint, prepared(), folder_of(made).run_of(spec).model)


def made(root: Path, datasets: dict[str, dict]) -> Benchmark:
    variant = {"model": "pixelcnn", "likelihood": "bernoulli", "hyperparameters": small().hyperparameters}
    bench = made_up.benchmark(
        root,
        datasets=datasets,
        variants={"independent": {"model": "independent"}, "large": variant, "plain": variant},
        seeds=[0, 1],
    )
    for spec in bench.runs():
        values = {"best_valid_nll": VALID[spec.seed]}
        nll = TEST[spec.seed] + (spec.seed + 1) * 0.1 * (spec.variant_name == "large")
        made_up.write_run(bench, spec, nll=nll, record_values=values)
        if spec.variant_name != "independent":
            exported(bench, spec)
        else:
            folder_of(bench).run_of(spec).model.write_bytes(b"a baseline's")
    report_of(bench)
    return bench


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Two datasets, one of them in a user's folder."""
    photos = {"source": "folder", "path": "/home/alice/my photos", "image_size": 14, "levels": 2}
    return made(tmp_path_factory.mktemp("several"), {"digits": DIGITS, "photos": photos})


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return made(tmp_path_factory.mktemp("single"), {"digits": DIGITS})


@pytest.fixture
def folder(single: Benchmark, tmp_path: Path) -> BenchmarkFolder:
    """A copy of the benchmark to change."""
    return BenchmarkFolder(shutil.copytree(folder_of(single).path, tmp_path / "results" / "toy"))


def models(site: Path) -> list[dict]:
    found = json.loads((site / "numbers.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, json.loads((site / "numbers.schema.json").read_text(encoding="utf-8")))
    return [model for entry in found["benchmarks"] for model in entry["models"]]


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_seed_of_the_best_validation_is_chosen_whatever_its_test_nll(
    folder: BenchmarkFolder, tmp_path: Path
) -> None:
    site, said = tmp_path / "site", []
    publish([folder.path], site, said.append)
    files = {"models/toy/large.safetensors", "models/toy/plain.safetensors"}
    assert {name for name in content(site) if name.startswith("models/")} == files and said == []
    for row in models(site):
        model = folder.run("digits", row["variant"], 1).model.read_bytes()
        assert (site / row["file"]).read_bytes() == model
        assert row == {
            "dataset": "digits",
            "variant": row["variant"],
            "seed": 1,
            "file": f"models/toy/{row['variant']}.safetensors",
            "bytes": len(model),
            "sha256": hashlib.sha256(model).hexdigest(),
            "best_valid_nll": 24.1,
        }
        assert f'href="{row["file"]}"' in (site / "index.html").read_text(encoding="utf-8")
        assert f"]({row['file']})" in (site / "README.md").read_text(encoding="utf-8")
    again = publish([folder.path], tmp_path / "again").parent
    assert content(again) == content(site), "the same folder gives the same bytes"


def test_a_published_model_draws_with_the_line_of_the_page_and_of_the_readme(
    folder: BenchmarkFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = publish([folder.path], tmp_path / "site").parent
    shutil.rmtree(folder.path)  # a site is all that a reader has
    monkeypatch.chdir(site)
    pages = [(site / name).read_text(encoding="utf-8") for name in ("index.html", "README.md")]
    for number, page in enumerate(pages):
        (line,) = [part for part in page.replace("<pre>", "").splitlines() if "pixelcnn sample" in part]
        command = line.removesuffix("</pre>").split()[1:]
        command[-1] = str(tmp_path / f"{number}.png")
        command[command.index("64")] = "2"
        assert main(command) == 0 and Path(command[-1]).is_file()


def test_what_does_not_fit_a_site_is_left_out_and_named(
    folder: BenchmarkFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large, plain = (folder.run("digits", name, 1).model for name in ("large", "plain"))
    whole, other = plain.read_bytes(), folder.run("digits", "plain", 0).model.read_bytes()
    save_file({"a": np.zeros(2**19, np.float32)}, large)
    site = tmp_path / "site"
    for content_of_plain, reason in (
        (whole[:-5], "damaged, or no safetensors file"),
        (b"", "damaged, or no safetensors file"),
        (other, "it is of another training"),
        (None, "it is not there; `pixelcnn evaluate` writes it"),
    ):
        plain.unlink(missing_ok=True)
        if content_of_plain is not None:
            plain.write_bytes(content_of_plain)
        assert main(["publish", str(folder.path), "--site", str(site)]) == 0
        said = sorted(capsys.readouterr().err.splitlines())
        assert len(said) == 2
        assert said[0].startswith(f"{large}: left out of the site: it has 2,097,") and "more than" in said[0]
        assert said[1].startswith(f"{plain}: left out of the site: {reason}")
        assert models(site) == [] and not (site / "models" / "toy").exists()
        assert "Trained models" not in (site / "index.html").read_text(encoding="utf-8")


def test_a_model_that_names_a_users_folder_is_left_out_and_several_datasets_stay_apart(
    several: Benchmark, tmp_path: Path
) -> None:
    said: list[str] = []
    site = publish([folder_of(several).path], tmp_path / "site", said.append).parent
    assert {model["file"] for model in models(site)} == {
        f"models/toy/digits/{name}.safetensors" for name in ("large", "plain")
    }
    assert len(said) == 2 and all("names an absolute path" in line for line in said)
    assert not [name for name, found in content(site).items() if b"alice" in found]


def test_a_site_without_its_models_is_added_to_and_removed_models_are_not_listed(
    folder: BenchmarkFolder, single: Benchmark, tmp_path: Path
) -> None:
    site = publish([folder.path], tmp_path / "site").parent
    shutil.rmtree(site / "models")
    shutil.copytree(folder.path, tmp_path / "other")
    config = tmp_path / "other" / "config.json"
    write_json(config, read_json(config) | {"benchmark": "other"})
    other = BenchmarkFolder(tmp_path / "other")
    other.report.made_of.write_text(report_digest(other, single), encoding="utf-8")
    publish([other.path], site)
    assert {model["file"] for model in models(site)} == {
        f"models/other/{name}.safetensors" for name in ("large", "plain")
    }
    (site / "models" / "other" / "large.safetensors").unlink()
    publish([folder.path], site)
    assert {model["file"] for model in models(site)} == {
        "models/other/plain.safetensors",
        "models/toy/large.safetensors",
        "models/toy/plain.safetensors",
    }


def test_a_folder_of_models_that_is_not_the_sites_is_not_replaced(
    folder: BenchmarkFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "site" / "models" / "toy" / "mine.bin"
    site = publish([folder.path], tmp_path / "site").parent
    numbers = read_json(site / "numbers.json")
    numbers["benchmarks"][0]["models"] = []
    write_json(site / "numbers.json", numbers)
    mine.write_bytes(b"mine")
    before = content(site)
    assert main(["publish", str(folder.path), "--site", str(site)]) == 2
    assert f"{mine.parent}: is there already" in capsys.readouterr().err
    assert content(site) == before


def test_a_benchmark_whose_folder_was_removed_from_a_site_is_published_again(
    folder: BenchmarkFolder, tmp_path: Path
) -> None:
    site = publish([folder.path], tmp_path / "site").parent
    before = content(site)
    shutil.rmtree(site / "toy")
    publish([folder.path], site)
    assert content(site) == before
    shutil.rmtree(site / "toy")
    other = made_up.benchmark(tmp_path, benchmark="other", variants={"plain": {"model": "pixelcnn"}})
    made_up.write_all(other)
    report_of(other)
    publish([folder_of(other).path], site)
    assert not (site / "models" / "toy").exists(), "nothing of it is left"
    publish([folder.path], site)
    shutil.rmtree(site / "other")
    publish([folder.path], site)
    assert content(site) == before
