"""What decides a result, and only that, is in its digest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from support.config import GOOD, changed, resolved

from pixelcnn.config import run_spec
from pixelcnn.config.fields import added, at_least, from_plain, without_absent
from pixelcnn.config.reading import benchmark_from
from pixelcnn.config.run_spec import DatasetSpec, RunSpec, VariantSpec
from pixelcnn.data.contract import source_of
from pixelcnn.models import gated, registry
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.scheduling.planning import resolve
from pixelcnn.system.errors import ConfigError, UserError


def digest(config=GOOD, variant="base") -> str:
    return resolved(config).run("small", variant, 0).digest


def with_heads(**hyperparameters):
    return changed("variants", "base", {"model": "attention", "hyperparameters": hyperparameters})


def test_the_digest_follows_what_decides_the_result_and_nothing_else():
    renamed = changed("benchmark", "other")
    renamed["results"], renamed["note"], renamed["threads"] = "elsewhere", "words", 4
    assert digest(renamed) == digest()
    for config in (
        changed("training", "learning_rate", 1e-4),
        changed("datasets", "small", "levels", 8),
        changed("variants", "base", "hyperparameters", "channels", 5),
        changed("variants", "base", "conditional", True),
        changed("variants", "base", "training", {"epochs": 3}),
    ):
        assert digest(config) != digest()
    benchmark = resolved()
    assert benchmark.run("small", "base", 1).digest != benchmark.run("small", "base", 0).digest


def test_a_default_that_is_written_out_makes_no_other_run():
    assert digest(with_heads()) == digest(with_heads(heads=4)) != digest(with_heads(heads=2))
    assert digest(with_heads(heads="4")) == digest(with_heads(heads=4.0)) == digest(with_heads(heads=4))
    assert digest(changed("variants", "base", "likelihood", "categorical")) == digest()
    square = changed("datasets", "small", "image_size", [14, 14])
    oblong = changed("datasets", "small", "image_size", [14, 7])
    assert digest(square) == digest() != digest(oblong)
    whole = changed("datasets", "small", "image_size", 28)
    assert digest(whole) == digest(changed("datasets", "small", "image_size", None)) != digest()
    assert digest(changed("training", "learning_rate", "2e-2")) == digest()


def test_a_spec_has_every_hyperparameter_with_its_type():
    spec = resolved(with_heads(channels="8")).run("small", "base", 0)
    assert spec.variant.hyperparameters == {
        "channels": 8, "blocks": 4, "attention_every": 2, "heads": 4,
        "first_kernel_size": 7, "kernel_size": 3, "head_channels": 64,
    }  # fmt: skip
    assert spec.variant.likelihood == "categorical" and spec.dataset.image_size == 14


def test_a_changed_default_changes_no_network_that_was_described_before(monkeypatch):
    spec = resolved(changed("variants", "base", {"model": "gated"})).run("small", "base", 0)

    @dataclass(frozen=True)
    class Hyperparameters(gated.Hyperparameters):
        blocks: int = at_least(0, 9)
        kernel_size: int = at_least(3, 5)

    monkeypatch.setattr(gated, "Hyperparameters", Hyperparameters)
    assert registry.resolve(replace(spec.variant, hyperparameters={})).hyperparameters["kernel_size"] == 5
    stored = RunSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert registry.resolve(stored.variant) == stored.variant and stored.digest == spec.digest
    image = registry.ImageSpec(1, 8, 8, 16)
    model, _ = registry.build_model(stored.variant, image)
    shapes = [parameter.shape for parameter in model.parameters()]
    monkeypatch.undo()
    before, _ = registry.build_model(spec.variant, image)
    assert shapes == [parameter.shape for parameter in before.parameters()]


def test_a_hyperparameter_that_is_missing_in_a_spec_is_not_guessed():
    spec = resolved().run("small", "base", 0)
    short = {k: v for k, v in spec.variant.hyperparameters.items() if k != "blocks"}
    with pytest.raises(ConfigError, match=r"hyperparameters\.blocks: missing, written by another version"):
        registry.build_model(replace(spec.variant, hyperparameters=short), registry.ImageSpec(1, 8, 8, 16))


@dataclass(frozen=True)
class Own:
    """Hyper-parameters as a user may have them."""

    sizes: tuple[int, ...] | None = None
    parts: list[float] = field(default_factory=lambda: [1.0])
    name: str | None = "x"
    steps: int = field(init=False, default=3)


@pytest.mark.parametrize("given", [{}, {"sizes": [1, 2]}, {"sizes": None, "parts": [2, 3.5], "name": None}])
def test_hyperparameters_come_back_from_a_checkpoint_as_they_were(monkeypatch, given):
    monkeypatch.setattr(gated, "Hyperparameters", Own)
    variant = registry.resolve(VariantSpec("gated", hyperparameters=given))
    stored = json.loads(json.dumps(variant.hyperparameters))
    sizes = given.get("sizes")
    found = from_plain(Own, stored)
    assert found.sizes == (None if sizes is None else tuple(sizes)) and found.steps == 3
    assert all(type(part) is float for part in found.parts)


@dataclass(frozen=True)
class Unusual:
    sizes: dict[int, int] = field(default_factory=lambda: {1: 2})


@dataclass(frozen=True)
class Strict:
    width: int = 3

    def __post_init__(self):
        if self.width > 3:
            raise ValueError("too wide")


@pytest.mark.parametrize(
    ("described_by", "given", "said"),
    [
        (Unusual, {}, "do not survive being written"),
        (Strict, {"width": 4}, "gated cannot read them: too wide"),
    ],
)
def test_hyperparameters_that_cannot_be_kept_are_refused(monkeypatch, described_by, given, said):
    monkeypatch.setattr(gated, "Hyperparameters", described_by)
    with pytest.raises(ConfigError, match=said):
        registry.resolve(VariantSpec("gated", hyperparameters=given))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"seeds": ["a"]}, r"seeds\[0\]: expected int, got 'a'"),
        ({"datasets": [1]}, "datasets: expected dict"),
        ({"benchmark": 3}, "benchmark: expected str, got 3"),
        ({"threads": "x"}, "threads: expected int, got 'x'"),
        ({"threads": True}, "threads: expected int, got True"),
    ],
)
def test_an_edited_plan_is_refused_by_name(edit, said):
    with pytest.raises(ConfigError, match=said):
        benchmark_from(resolved().to_json() | edit)


@dataclass(frozen=True)
class Before:
    width: int = 3


@dataclass(frozen=True)
class After:
    width: int = 3
    depth: int = added(5, absent=1)


def test_a_key_that_came_later_leaves_old_digests_alone_and_means_for_old_runs_what_they_did():
    assert without_absent(After(depth=1)) == without_absent(Before())
    assert without_absent(After()) == {"width": 3, "depth": 5}, "the default for new runs is another"
    assert from_plain(After, {"width": 3}) == After(3, depth=1), "not today's default"


def test_a_key_added_to_the_recipe_leaves_digests_alone(monkeypatch):
    before = resolved().run("small", "base", 0)

    @dataclass(frozen=True)
    class Later(run_spec.TrainingSpec):
        momentum: float = added(0.9, absent=0.0)

    values = {**vars(before.training), "momentum": 0.0}
    assert replace(before, training=Later(**values)).digest == before.digest
    assert replace(before, training=Later(**values | {"momentum": 0.9})).digest != before.digest


def test_what_was_described_before_keys_came_later_has_the_digest_that_it_had():
    assert digest() == "7e59e3fa20b846d7"  # as commit 82537af says


def test_a_spec_survives_json_and_an_altered_one_is_refused():
    run = resolved().run("small", "base", 1)
    text = json.dumps(run.to_json())
    assert RunSpec.from_json(json.loads(text)) == run
    with pytest.raises(ConfigError, match="digest"):
        RunSpec.from_json(json.loads(text.replace('"channels": 4', '"channels": 5')))
    with pytest.raises(ConfigError, match=r"format 1, expected 2.*retrained"):
        RunSpec.from_json({k: v for k, v in json.loads(text).items() if k != "format"})


OWN = "from helper import SIZE\nCLASSES, LEVELS = None, 4\ndef load(*_): ...\n"


def test_own_files_count_by_their_code_wherever_they_lie(tmp_path, monkeypatch):
    digests = []
    for folder in (tmp_path / "here", tmp_path / "there"):
        (folder / "deeper").mkdir(parents=True)
        (folder / "mine.py").write_text(OWN, encoding="utf-8")
        (folder / "helper.py").write_text("SIZE = 6\n", encoding="utf-8")
        monkeypatch.chdir(folder)
        monkeypatch.delitem(__import__("sys").modules, "helper", raising=False)
        config = changed("datasets", "small", {"source": str(folder / "mine.py"), "levels": 4})
        spec = resolved(config).run("small", "base", 0)
        assert [Path(path).name for path in spec.own_files["source"]] == ["mine.py", "helper.py"]
        digests.append(spec.digest)
    assert digests[0] == digests[1]
    sorted_by_name = json.dumps(spec.to_json(), sort_keys=True)
    assert RunSpec.from_json(json.loads(sorted_by_name)) == spec, "in whatever order a file has its helpers"
    (folder / "helper.py").write_text("# six\nSIZE = 6  # pixels\n", encoding="utf-8")
    assert resolved(config).run("small", "base", 0).digest == digests[0], "a comment changes nothing"
    (folder / "helper.py").write_text("SIZE = 6\nOTHER = 1\n", encoding="utf-8")
    assert resolved(config).run("small", "base", 0).digest != digests[0], "a helper's code does"


def test_a_likelihood_counts_by_its_name_hyperparameters_and_own_code(tmp_path):
    def mixture(**hyperparameters):
        own = {"likelihood": "logistic_mixture", "likelihood_hyperparameters": hyperparameters}
        return digest(changed("variants", "base", {"model": "pixelcnn", **own}))

    assert mixture() == mixture(components=5) != mixture(components=3)
    assert mixture() != digest(changed("variants", "base", {"model": "pixelcnn"}))
    code = (
        "from pixelcnn.likelihoods.base import Likelihood\n\nclass Mine(Likelihood):\n"
        "    def __init__(self, levels, channels, hyperparameters):\n"
        "        super().__init__(levels, channels, 1)\n"
    )
    found = []
    for folder, text in (("a", code), ("b", code + "    # a comment\n"), ("c", code + "    X = 1\n")):
        (path := tmp_path / folder / "mine.py").parent.mkdir()
        path.write_text(text, encoding="utf-8")
        spec = resolved(changed("variants", "base", "likelihood", str(path))).run("small", "base", 0)
        assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
        found.append(spec.digest)
    assert found[0] == found[1] != found[2]
    (tmp_path / "a" / "mine.py").write_text(code + "    X = 1\n", encoding="utf-8")
    spec = resolved(changed("variants", "base", "likelihood", str(tmp_path / "a" / "mine.py"))).run(
        "small", "base", 0
    )
    trained = Checkpoint(spec, registry.ImageSpec(1, 8, 8, 16), "", 1, {}, {})
    (tmp_path / "a" / "mine.py").write_text(code, encoding="utf-8")
    with pytest.raises(UserError, match=r"mine.py is not the code that trained it"):
        trained.model()


@pytest.mark.parametrize(
    ("levels", "channels", "name"),
    [
        (2, 1, "bernoulli"),
        (256, 1, "categorical"),
        (2, 3, "categorical"),
        (32, 3, "categorical"),
        (33, 3, "logistic_mixture"),
    ],
)
def test_auto_takes_the_likelihood_that_fits(levels, channels, name):
    assert run_spec.likelihood_for("auto", levels, channels) == name
    assert run_spec.likelihood_for("categorical", levels, channels) == "categorical"


def test_auto_takes_a_likelihood_for_several_channels_where_the_source_has_them(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((12, 2, 3, 4), np.uint8))
    array = {"source": "array", "path": str(tmp_path / "a.npy"), "axes": "NHWC"}
    for source, levels, expected, channels in (
        ({"source": "photos"}, 256, "logistic_mixture", 3),
        (array, 8, "categorical", 4),
    ):
        config = {
            "benchmark": "b",
            "datasets": {"images": {**source, "levels": levels}},
            "variants": {"a": {"model": "pixelcnn"}},
            "seeds": [0],
            "training": {"epochs": 1},
        }
        spec = resolve(benchmark_from(config)).run("images", "a", 0)
        assert (spec.variant.likelihood, spec.dataset.channels) == (expected, channels)
        assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
        assert source_of(spec.dataset).channels == channels
        with pytest.raises(ConfigError, match="channels: source: mnist has 1, not"):
            source_of(DatasetSpec("mnist", channels=channels))
