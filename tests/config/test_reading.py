"""What a user writes: what is taken, and how what is not is refused."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from support.config import GOOD, changed

from pixelcnn.config.reading import benchmark_from, load_benchmark, load_planned
from pixelcnn.config.run_spec import AugmentSpec
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling.planning import check_benchmark, resolve
from pixelcnn.system.errors import ConfigError
from pixelcnn.tuning.trials import tuning_of

BAD = [
    (changed("benchmark", ...), ["benchmark", "missing"]),
    (changed("benchmark", "a/b"), ["benchmark", "'a/b'", "folder"]),
    (changed("sedes", [0]), ["sedes", "unknown key", "did you mean 'seeds'"]),
    (changed("seeds", []), ["seeds", "at least one"]),
    (changed("seeds", [0, 0]), ["seeds", "[0, 0]"]),
    (changed("seeds", [-1]), ["seeds", "-1"]),
    (changed("seeds", 3), ["seeds", "expected a list", "3"]),
    (changed("seeds", ["one"]), ["seeds[0]", "whole number", "'one'"]),
    (changed("training", "learning_rat", 1), ["training.learning_rat", "did you mean 'learning_rate'"]),
    (changed("training", "learning_rate", "fast"), ["training.learning_rate", "a number", "'fast'"]),
    (changed("training", "learning_rate", -1), ["training.learning_rate", "at least", "-1"]),
    (changed("training", "learning_rate", float("nan")), ["training.learning_rate", "nan"]),
    (changed("training", "epochs", 0), ["training.epochs", "at least 1", "0"]),
    (changed("training", "epochs", 2.5), ["training.epochs", "whole number", "2.5"]),
    (changed("training", "epochs", True), ["training.epochs", "whole number", "True"]),
    (changed("training", "optimizer", "sgd"), ["training.optimizer", "muon, adamw, adam", "'sgd'"]),
    (changed("training", "ema_decay", 1.0), ["training.ema_decay", "1.0"]),
    (changed("training", "augment", "flip"), ["training.augment", "keys and values such as flip", "'flip'"]),
    (
        changed("training", "augment", {"flip": "vertical"}),
        ["training.augment.flip", "horizontal", "'vertical'"],
    ),
    (changed("training", "augment", {}), ["training.augment.flip: missing"]),
    (changed("training", 5), ["training", "keys and values", "5"]),
    (changed("datasets", {}), ["datasets", "at least one"]),
    (changed("datasets", "small", "levels", 257), ["datasets.small.levels", "between 2 and 256", "257"]),
    (changed("datasets", "small", "binarize", "threshold"), ["datasets.small", "binarize", "levels: 2"]),
    (changed("datasets", "small", "source", ...), ["datasets.small.source", "missing"]),
    (changed("datasets", "report", {"source": "mnist5k"}), ["datasets", "'report'"]),
    (changed("datasets", "small", "source", "mnist6k"), ["datasets.small.source", "'mnist6k'", "mnist5k"]),
    (changed("datasets", "small", "source", "no/such.py"), ["datasets.small.source", "no/such.py"]),
    (changed("datasets", "small", "image_size", 13), ["datasets.small.image_size", "13", "28"]),
    (changed("datasets", "small", "image_size", [14, "x"]), ["small.image_size[1]", "whole number", "'x'"]),
    (changed("datasets", "small", "image_size", [14, 0]), ["datasets.small.image_size[1]: must be at least"]),
    (changed("datasets", "small", "image_size", [14]), ["small.image_size", "[height, width]", "[14]"]),
    (changed("datasets", "small", "image_size", [14, 13]), ["small.image_size: [14, 13]", "28"]),
    (
        changed("datasets", "small", {"source": "mnist5k", "levels": 2}),
        ["datasets.small.binarize", "threshold"],
    ),
    (
        changed("datasets", "small", {"source": "binarized_mnist", "levels": 16}),
        ["datasets.small.levels", "binary", "levels: 2"],
    ),
    (
        changed("datasets", "small", {"source": "binarized_mnist", "levels": 2}),
        ["variants.cond.conditional", "labels", "small"],
    ),
    (changed("variants", "base", "model", "pixelcn"), ["variants.base.model", "'pixelcn'", "gated"]),
    (changed("variants", "base", "model", ...), ["variants.base.model", "missing"]),
    (changed("variants", "base", "chanels", 3), ["variants.base.chanels", "unknown key"]),
    (changed("variants", "base", "conditional", "perhaps"), ["variants.base.conditional", "true or false"]),
    (
        changed("variants", "base", "hyperparameters", "chanels", 3),
        ["variants.base.hyperparameters.chanels", "did you mean 'channels'"],
    ),
    (
        changed("variants", "base", "hyperparameters", "kernel_size", 4),
        ["variants.base.hyperparameters.kernel_size", "odd", "4"],
    ),
    (
        changed("variants", "base", "hyperparameters", "dilations", [0]),
        ["variants.base.hyperparameters.dilations", "[0]"],
    ),
    (
        changed("variants", "base", {"model": "attention", "hyperparameters": {"channels": 5, "heads": 4}}),
        ["variants.base.hyperparameters.heads", "4", "10"],
    ),
    (changed("variants", "base", "likelihood", "bernoulli"), ["variants.base.likelihood", "levels: 16"]),
    (changed("variants", "base", "training", {"epoch": 2}), ["variants.base.training.epoch", "did you mean"]),
    (
        changed("variants", "base", "training", {"epochs": "many"}),
        ["variants.base.training.epochs", "'many'"],
    ),
    (
        changed("variants", "base", "hyperparameters", "channels", 0),
        ["hyperparameters.channels", "at least 1"],
    ),
    (changed("variants", "base", "hyperparameters", "channels", True), ["hyperparameters.channels", "True"]),
    (changed("training", "epochs", "1e400"), ["training.epochs", "at most 9223372036854775807"]),
    (changed("training", "ema_decay", 1.0), ["between 0 and 0.999999999999"]),
    (changed("title", 2024), ["title", "text", "2024"]),
    (changed("title", None), ["title", "text", "None"]),
    (changed("seeds", "0"), ["seeds", "a list", "'0'"]),
    (changed("resolved", True), ["resolved", "unknown key"]),
    (changed("variants", {True: {"model": "gated"}}), ["variants", "the name True", "quote"]),
    (changed("variants", {None: {"model": "gated"}}), ["variants", "the name None", "quote"]),
    (changed("variants", {8: {"model": "gated"}}), ["variants", "the name 8", "quote"]),
    (changed("results", "~nobody-of-that-name/results"), ["~nobody-of-that-name"]),
    (changed("results", "my {x}"), ["results", "'my {x}'", "wildcard"]),
    (changed("threads", "1e3000000"), ["threads"]),
    (changed("device", "tpu"), ["device", "auto, cpu, cuda", "'tpu'"]),
    ([1, 2], ["keys and values", "[1, 2]"]),
]


@pytest.mark.parametrize(
    ("bad", "said"),
    BAD,
    ids=lambda value: (
        " ".join(value) if isinstance(value, list) and value and isinstance(value[0], str) else ""
    ),
)
def test_a_bad_config_is_refused_by_name(bad, said):
    with pytest.raises(ConfigError) as error:
        check_benchmark(resolve(benchmark_from(bad, "my.yaml")))
    for words in said:
        assert words in str(error.value)


def test_a_good_config_gives_its_runs_and_their_sizes():
    benchmark = resolve(benchmark_from(GOOD))
    assert [run.name for run in benchmark.runs()] == [
        "small/base/seed0", "small/base/seed1", "small/cond/seed0", "small/cond/seed1",
    ]  # fmt: skip
    sizes = check_benchmark(benchmark)
    # 7x7 cropped to 4x7, from 4 channels (pixel, constant, row, column) to 8, with bias;
    # block 8->4, 2x3 crop 4->4, 4->8; head 8->64->16.
    stem = 4 * 8 * 28 + 8
    block = (8 * 4 + 4) + (4 * 4 * 6 + 4) + (4 * 8 + 8)
    head = (8 * 64 + 64) + (64 * 16 + 16)
    assert sizes["small", "base"].parameters == stem + block + head
    biases = 8 + (4 + 4 + 8) + (64 + 16)
    pixels = benchmark.datasets["small"].image_size ** 2
    assert sizes["small", "base"].multiply_adds == (stem + block + head - biases) * pixels


def test_numbers_may_come_as_text_as_yaml_and_the_command_line_give_them():
    benchmark = benchmark_from(
        changed("training", {"learning_rate": "1e-3", "epochs": "4", "patience": "3.0"})
    )
    assert benchmark.training.learning_rate == 1e-3
    assert benchmark.training.epochs == 4 and benchmark.training.patience == 3
    assert benchmark_from(changed("seeds", ["0", "7"])).seeds == (0, 7)
    assert benchmark_from(changed("training", "epochs", "1e3")).training.epochs == 1000


@pytest.mark.parametrize("seed", [9007199254740993, "9007199254740993", "9007199254740993.0"])
def test_whole_numbers_do_not_go_through_floats(seed):
    assert benchmark_from(changed("seeds", [seed])).seeds == (9007199254740993,)


@pytest.mark.parametrize("nothing", [None, "null", "none", "None"])
def test_null_is_nothing_however_it_comes(nothing):
    assert benchmark_from(changed("training", "patience", nothing)).training.patience is None
    assert benchmark_from(changed("tracking", "uri", nothing)).tracking.uri is None
    assert (
        benchmark_from(changed("datasets", "small", "image_size", nothing)).datasets["small"].image_size
        is None
    )


def test_a_path_from_the_home_folder_means_that_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = changed("variants", "base", "model", "~/mine.py")
    config["datasets"]["small"]["source"] = "~/data.py"
    config["results"], config["data_root"] = "~/results", "~/data"
    benchmark = benchmark_from(config)
    assert folder_of(benchmark).path == tmp_path / "results" / "b"
    assert benchmark.data_root == str(tmp_path / "data")
    assert benchmark.variants["base"].model == str(tmp_path / "mine.py")
    assert benchmark.datasets["small"].source == str(tmp_path / "data.py")


def test_a_variant_may_change_the_recipe():
    benchmark = resolve(benchmark_from(changed("variants", "base", "training", {"epochs": "9"})))
    assert benchmark.run("small", "base", 0).training.epochs == 9
    assert benchmark.run("small", "cond", 0).training.epochs == benchmark.training.epochs


def test_only_some_of_the_variants_are_as_if_no_other_stood_there():
    trial = {"number": 0, "valid_nll": 1.0, "values": {"training.learning_rate": 0.1}}
    whole = changed("variants", {name: {"model": "pixelcnn"} for name in ("a", "b", "c")}) | {
        "tuned": {n: {"of": "x", "seeds": [9], "chosen": 0, "trials": [trial]} for n in ("a", "b")},
        "tuning": {"seeds": [8], "space": {"training.learning_rate": {"choices": [1]}}, "variants": ["a"]},
    }
    both = {k: v for k, v in whole.items() if k not in ("tuned", "tuning")}
    both["variants"] = {name: whole["variants"][name] for name in ("b", "c")}
    both["tuned"] = {"b": whole["tuned"]["b"]}
    kept = benchmark_from(whole | {"only": ["c", "b"]})
    assert replace(kept, only=None) == benchmark_from(both)
    assert benchmark_from(whole | {"only": None}) == benchmark_from(whole)
    with pytest.raises(ConfigError, match="only: leave it out, for a tuning gives all"):
        tuning_of(kept)
    with pytest.raises(ConfigError, match="only: 'd' is not in the config, which has a, b, c"):
        benchmark_from(whole | {"only": ["a", "d"]})
    with pytest.raises(ConfigError, match="only: needs at least one entry; null: all variants"):
        benchmark_from(whole | {"only": []})
    with pytest.raises(ConfigError, match="only: each may stand once"):
        benchmark_from(whole | {"only": ["a", "a"]})


def test_what_is_written_does_not_depend_on_the_order_of_keys_nor_on_the_process():
    keys = {"warmup_steps": 1, "ema_decay": 0.5, "epochs": 2, "patience": 3, "gradient_clip": 2.0}
    texts = {
        json.dumps(benchmark_from(changed("variants", "base", "training", dict(order))).to_json())
        for order in (keys.items(), reversed(keys.items()))
    }
    assert len(texts) == 1
    recipe = json.loads(texts.pop())["variants"]["base"]["training"]
    assert list(recipe) == ["epochs", "warmup_steps", "gradient_clip", "ema_decay", "patience"]


def test_a_resolved_config_reads_back_as_itself_without_pydantic(tmp_path, monkeypatch):
    own = {"patience": 3, "augment": {"flip": "horizontal"}}
    benchmark = resolve(benchmark_from(changed("variants", "base", "training", own)))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(benchmark.to_json()), encoding="utf-8")
    monkeypatch.setitem(sys.modules, "pixelcnn.config.validation", None)
    assert load_benchmark(path) == benchmark
    assert {run.training.augment for run in load_benchmark(path).runs()} == {AugmentSpec("horizontal"), None}


def test_a_resolved_config_of_another_version_is_refused_with_what_to_do(tmp_path):
    written = resolve(benchmark_from(GOOD)).to_json()
    path = tmp_path / "config.json"
    for edit, said in (
        ({"format": 1}, "format 1, expected 2.*plan.*writes it again, and its runs are trained again"),
        ({"training": {}}, "training.epochs: missing, written by another version"),
        ({"colour": 1}, "colour: unknown key, written by another version"),
    ):
        path.write_text(json.dumps(written | edit), encoding="utf-8")
        with pytest.raises(ConfigError, match=said):
            load_benchmark(path)


def test_a_config_that_a_user_wrote_is_no_plan(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    assert load_benchmark(path).benchmark == "b"
    with pytest.raises(ConfigError, match=r"config\.json: written by another version.*writes it again"):
        load_planned(path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "a: [1", "not valid YAML"),
        ("a.yaml", "a: 2024-13-45", "not valid YAML"),
        ("a.yaml", "a: &x {b: *x}", "holds itself"),
        ("a.yaml", "? [1, 2]\n: 3\n", "line 1: a name must be text"),
        ("a.json", "[" * 100000, "not valid JSON"),
        ("a.json", "{", "not valid JSON"),
        ("missing.yaml", None, "cannot read"),
        ("a.yaml", "seeds: [0]\ntitle: a\nseeds: [1]\n", "line 3: the key 'seeds' stands twice"),
        (
            "a.yaml",
            "variants:\n  on: {model: gated}\n",
            'line 2: the name on is no text in YAML; quote it: "on"',
        ),
        ("a.yaml", "variants:\n  null: {model: gated}\n", "line 2: the name null"),
        ("a.yaml", "variants:\n  010: {model: gated}\n", "line 2: the name 010"),
        ("a.yaml", "variants:\n  1e3: {model: gated}\n", "line 2: the name 1e3"),
        (
            "a.yaml",
            "variants:\n  a: {training: {epochs: 1, epochs: 2}}\n",
            "line 2: the key 'epochs' stands twice",
        ),
    ],
)
def test_a_file_that_is_no_config_is_refused_by_name_and_line(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=name) as error:
        load_benchmark(tmp_path / name)
    assert said in str(error.value)


def test_quoted_names_and_merged_keys_are_taken(tmp_path):
    text = """
        benchmark: b
        datasets: {"010": {source: mnist5k, levels: 16}}
        variants:
          "1e3": &usual {model: gated, hyperparameters: {channels: 4}}
          "on": {<<: *usual, conditional: true}
          abc1: *usual
        seeds: [0]
        training: {epochs: 1}
    """
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    benchmark = load_benchmark(tmp_path / "a.yaml")
    assert list(benchmark.variants) == ["1e3", "on", "abc1"] and list(benchmark.datasets) == ["010"]
    assert benchmark.variants["on"].conditional and benchmark.variants["on"].model == "gated"
