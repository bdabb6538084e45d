"""What still falls at the end of training, from histories written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.reports import Report

from pixelcnn.report.collect import Status, collect
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.report.falling import falling_sentence, still_falling
from pixelcnn.results.folder import folder_of


@pytest.fixture
def like(whole: Report) -> VariantResult:
    """A variant of three seeds, whose histories the tests replace."""
    return rank(collect(folder_of(whole.benchmark).path).datasets[0])[0]


def variant(like: VariantResult, name: str, *seeds: list[float], every: int = 200) -> VariantResult:
    """A variant whose seeds have these validation NLL, one an epoch of 200 images, or every so many."""
    runs = []
    for run, nlls in zip(like.variant.runs, seeds, strict=False):
        images = [every * i for i in range(1, len(nlls) + 1)]
        history = [
            {"images": n, "epoch": n / 200, "seconds": float(n), "valid_nll": nll}
            for n, nll in zip(images, nlls, strict=True)
        ]
        training = replace(run.spec.training, validate_every=None if every == 200 else every)
        runs.append(replace(run, history=history, spec=replace(run.spec, training=training)))
    return replace(like, variant=replace(like.variant, name=name, runs=runs))


def test_a_variant_falls_if_all_its_seeds_do_and_by_enough(like: VariantResult) -> None:
    falls = variant(like, "falls", [30, 20.5, 20.0], [30, 20.3, 20.2])
    one_rises = variant(like, "one rises", [30, 22.0, 20.0], [30, 20.2, 20.21])
    flat = variant(like, "flat", [30, 20.019, 20.0], [30, 20.019, 20.0])  # by less than 0.1 %
    once = variant(like, "once", [30])
    (found,) = still_falling([flat, falls, one_rises, once])
    assert (found.result.name, found.images, found.over) == ("falls", 200, "the last epoch")
    assert (found.fall, found.part) == (pytest.approx((0.5 + 0.1) / 2), pytest.approx(1 / 3))


def test_the_end_is_a_tenth_of_the_images(like: VariantResult) -> None:
    nlls = [40.0 - i for i in range(20)]
    (epochs,) = still_falling([variant(like, "a", nlls)])
    assert (epochs.fall, epochs.part, epochs.over) == (2, 0.1, "the last 2 epochs")
    (images,) = still_falling([variant(like, "a", [40.0 - i for i in range(25)], every=50)])
    assert (images.fall, images.images, images.over) == (3, 150, "the last 150 images")


def test_a_training_that_goes_on_says_nothing(like: VariantResult) -> None:
    grown = variant(like, "a", [30, 20, 10], [30, 25, 24])
    running = replace(grown.variant.runs[0], status=Status.RUNNING)
    (found,) = still_falling(
        [replace(grown, variant=replace(grown.variant, runs=[running, grown.variant.runs[1]]))]
    )
    assert found.fall == 1
    assert still_falling([replace(grown, variant=replace(grown.variant, runs=[running]))]) == []


def test_the_sentence_names_four_at_most_and_says_all(like: VariantResult) -> None:
    falling = [variant(like, f"v{i}", [30, 20 + 0.1 * (i + 1), 20]) for i in range(6)]
    flat = variant(like, "flat", [30, 20, 20])
    assert falling_sentence([flat]) == ""
    assert falling_sentence([flat, falling[2], falling[3]]) == (
        "At the end of training the validation NLL of v2 (0.30 nats in the last epoch) and v3 (0.40) "
        "still falls: the ranking is one at this budget."
    )
    assert "v2 (0.30) and 3 more still falls" in falling_sentence([flat, *falling])
    assert "of all variants (0.10 to 0.60 nats in the last epoch) still falls" in falling_sentence(falling)
    absent = variant(like, "absent")
    assert "of all 6 trained variants (0.10 to" in falling_sentence([*falling, absent])
