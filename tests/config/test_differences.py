"""What a refusal names: the keys in which two descriptions of a run differ."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.small import run_spec, small

from pixelcnn.config.differences import dataset_differences, differences, edited, function_differences, told

THEN = run_spec()


def test_nothing_differs_in_equal_descriptions_whatever_they_are_called():
    assert differences(THEN, replace(THEN, variant_name="other", benchmark="else", dataset_name="x")) == []


@pytest.mark.parametrize(
    ("now", "said", "same_function"),
    [
        (replace(THEN, seed=3), "seed: 0 then, 3 now", True),
        (
            replace(THEN, training=replace(THEN.training, learning_rate=0.002)),
            "training.learning_rate: 0.02 then, 0.002 now",
            True,
        ),
        (
            replace(THEN, dataset=replace(THEN.dataset, split_seed=4)),
            "dataset.split_seed: 0 then, 4 now",
            True,
        ),
        (replace(THEN, dataset=replace(THEN.dataset, levels=3)), "dataset.levels: 2 then, 3 now", False),
        (replace(THEN, variant=small(blocks=3)), "hyperparameters.blocks: 2 then, 3 now", False),
        (
            replace(THEN, variant=small(dilations=(1, 2))),
            "hyperparameters.dilations: [1] then, [1, 2] now",
            False,
        ),
        (
            replace(THEN, variant=small(conditional=True, class_maps=0)),
            "conditional: false then, true now",
            False,
        ),
        (
            replace(THEN, variant=replace(THEN.variant, likelihood="categorical")),
            'likelihood: "auto" then, "categorical" now',
            False,
        ),
    ],
)
def test_the_key_that_differs_is_named_with_what_it_was_and_is(now, said, same_function):
    assert THEN.digest != now.digest and differences(THEN, now) == [said]
    assert function_differences(THEN, now) == ([] if same_function else [said])


def test_a_number_of_another_type_is_another_number():
    """As it is to the digest of a spec."""
    whole, real = (replace(THEN, training=replace(THEN.training, weight_decay=n)) for n in (1, 1.0))
    assert whole.digest != real.digest
    assert differences(whole, real) == ["training.weight_decay: 1 then, 1.0 now"]


def test_a_key_that_one_of_the_two_lacks_is_said_to_be_missing():
    without = dict(THEN.variant.hyperparameters)
    del without["blocks"]
    now = replace(THEN, variant=replace(THEN.variant, hyperparameters=without))
    assert differences(THEN, now) == ["hyperparameters.blocks: 2 then, no such key now"]


def test_own_files_differ_by_their_code_not_by_where_they_lie():
    then = {"a/mine.py": "1", "a/helper.py": "2", "a/gone.py": "3"}
    assert edited(then, {"b/mine.py": "1", "b/helper.py": "2", "b/gone.py": "3"}) == []
    assert edited(then, {"b/mine.py": "1", "b/helper.py": "9", "b/new.py": "3"}) == [
        "helper.py: its code was edited",
        "gone.py: imported then, not now",
        "new.py: imported now, not then",
    ]
    moved = replace(THEN, variant=replace(THEN.variant, model="a/mine.py"), own_files={"model": then})
    here = {path.replace("a/", "b/"): code for path, code in then.items()}
    elsewhere = replace(moved, variant=replace(moved.variant, model="b/mine.py"), own_files={"model": here})
    assert moved.digest == elsewhere.digest and differences(moved, elsewhere) == []


def test_a_sentence_names_a_few_keys_and_counts_the_others():
    assert told(["a"]) == "a" and told(["a", "b", "c"]) == "a; b; c"
    assert told(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"


def test_descriptions_of_a_dataset_differ_by_its_keys():
    other = replace(THEN.dataset, image_size=3, binarize="threshold")
    assert dataset_differences(THEN.dataset, other) == [
        "image_size: 6 then, 3 now",
        'binarize: null then, "threshold" now',
    ]
