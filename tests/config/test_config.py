import copy
import json

import pytest

from pixelcnn.config.benchmark import benchmark_from, load_benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.scheduling.planning import check_benchmark
from pixelcnn.system.errors import ConfigError

GOOD = {
    "benchmark": "b",
    "datasets": {"small": {"source": "mnist5k", "image_size": 14, "levels": 16}},
    "variants": {
        "base": {"model": "pixelcnn", "hyperparameters": {"channels": 4, "blocks": 1}},
        "cond": {"model": "gated", "conditional": True},
    },
    "seeds": [0, 1],
}


def changed(*path_and_value):
    """GOOD with one value put at a path; the value `...` removes the key."""
    *path, last, value = path_and_value
    result = copy.deepcopy(GOOD)
    place = result
    for key in path:
        place = place.setdefault(key, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return result


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
    (changed("training", "optimizer", "sgd"), ["training.optimizer", "adam, adamw", "'sgd'"]),
    (changed("training", "ema_decay", 1.0), ["training.ema_decay", "1.0"]),
    (changed("training", 5), ["training", "keys and values", "5"]),
    (changed("datasets", {}), ["datasets", "at least one"]),
    (changed("datasets", "small", "levels", 257), ["datasets.small.levels", "between 2 and 256", "257"]),
    (changed("datasets", "small", "binarize", "threshold"), ["datasets.small", "binarize", "levels: 2"]),
    (changed("datasets", "small", "source", ...), ["datasets.small.source", "missing"]),
    (changed("datasets", "report", {"source": "mnist5k"}), ["datasets", "'report'"]),
    (changed("datasets", "small", "source", "mnist6k"), ["datasets.small.source", "'mnist6k'", "mnist5k"]),
    (changed("datasets", "small", "source", "no/such.py"), ["datasets.small.source", "no/such.py"]),
    (changed("datasets", "small", "image_size", 13), ["datasets.small.image_size", "13", "28"]),
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
        check_benchmark(benchmark_from(bad, "my.yaml"))
    for words in said:
        assert words in str(error.value)


def test_a_good_config_gives_its_runs_and_their_sizes():
    benchmark = benchmark_from(GOOD)
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
    benchmark = benchmark_from(changed("training", {"learning_rate": "1e-3", "epochs": "4"}))
    assert benchmark.training.learning_rate == 1e-3
    assert benchmark.training.epochs == 4
    assert benchmark_from(changed("seeds", ["0", "7"])).seeds == (0, 7)


def test_a_variant_may_change_the_recipe():
    config = changed("variants", "base", "training", {"epochs": 9})
    benchmark = benchmark_from(config)
    assert benchmark.run("small", "base", 0).training.epochs == 9
    assert benchmark.run("small", "cond", 0).training.epochs == benchmark.training.epochs


def test_the_digest_follows_what_decides_the_result_and_nothing_else():
    run = benchmark_from(GOOD).run("small", "base", 0)
    renamed = changed("benchmark", "other")
    renamed["results"], renamed["note"], renamed["threads"] = "elsewhere", "words", 4
    assert benchmark_from(renamed).run("small", "base", 0).digest == run.digest
    for config in (
        changed("training", "learning_rate", 1e-4),
        changed("datasets", "small", "levels", 8),
        changed("variants", "base", "hyperparameters", "channels", 5),
        changed("variants", "base", "conditional", True),
    ):
        assert benchmark_from(config).run("small", "base", 0).digest != run.digest
    assert benchmark_from(GOOD).run("small", "base", 1).digest != run.digest


def test_a_spec_survives_json_and_an_altered_one_is_refused():
    run = benchmark_from(GOOD).run("small", "base", 1)
    text = json.dumps(run.to_json())
    assert RunSpec.from_json(json.loads(text)) == run
    with pytest.raises(ConfigError, match="digest"):
        RunSpec.from_json(json.loads(text.replace('"channels": 4', '"channels": 5')))


def test_a_resolved_config_reads_back_as_itself(tmp_path):
    benchmark = benchmark_from(GOOD)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(benchmark.to_json()))
    assert load_benchmark(path) == benchmark


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "a: [1"), ("a.json", "{"), ("missing.yaml", None)])
def test_an_unreadable_file_is_named(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        load_benchmark(tmp_path / name)
