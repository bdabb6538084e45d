"""Claims, answered from made-up runs in which the answer is known."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.claims import (
    CLEAR,
    NOISE,
    VARIANTS,
    by_claim,
    change_json,
    differences,
    made_of,
    sentences,
)

from benchmarks import made_up
from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.report.claims import CLAIMS, NLL, STEP, Claim
from pixelcnn.report.findings import find
from pixelcnn.report.pairs import compare_pairs
from pixelcnn.report.subjects import (
    is_attention,
    is_base,
    is_conditional,
    is_deeper,
    is_dilated,
    is_strided,
    is_twin,
    other_is,
)
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.results.metric import Metric, Spoken


def test_selectors() -> None:
    spec = {name: VariantSpec(**entry) for name, entry in VARIANTS.items()}
    chosen = {f: [n for n in spec if f(spec[n])] for f in (is_base, is_conditional, is_dilated, is_attention)}
    assert list(chosen.values()) == [["pixelcnn"], ["conditional"], ["dilated"], ["attention"]]
    assert is_base(VariantSpec("pixelcnn", hyperparameters={"dilations": [1]}))
    assert not is_dilated(replace(spec["dilated"], conditional=True))
    assert is_twin(spec["conditional"], spec["pixelcnn"])
    maps = replace(
        spec["conditional"], hyperparameters=spec["conditional"].hyperparameters | {"class_maps": 2}
    )
    assert is_twin(maps, spec["pixelcnn"])
    assert not is_twin(spec["conditional"], spec["dilated"])
    assert not is_twin(spec["conditional"], replace(spec["pixelcnn"], training={"epochs": 3}))


def test_planted_differences_are_found_with_their_numbers(tmp_path: Path) -> None:
    found = by_claim(made_of(tmp_path, CLEAR))
    higher, lower = found["conditional: higher NLL"], found["attention: lower NLL"]
    dilated = found["dilated: higher NLL"]
    assert (higher.verdict, lower.verdict, dilated.verdict) == ("supported", "supported", "contradicted")
    assert (lower.subject, lower.against) == ("attention", "pixelcnn")
    assert lower.difference and lower.difference.difference == pytest.approx(-2.0, abs=0.01)
    assert (
        "NLL of attention is 22.00 nats, 2.00 nats lower than that of pixelcnn, 24.00 nats" in lower.sentence
    )
    assert "95 % simultaneous interval 1.9" in lower.sentence and "n = 3, p < 0.001" in lower.sentence
    # 26.00, not the 25.60 given the label, is what compares.
    assert (
        "26.00 nats, 2.00 nats higher" in higher.sentence and "given the label it is 25.60" in higher.sentence
    )


def test_noise_is_undecided_and_says_why(tmp_path: Path) -> None:
    found = by_claim(made_of(tmp_path, NOISE))
    for claim in (
        "conditional: higher NLL",
        "attention: lower NLL",
        "dilated: higher NLL",
    ):
        assert found[claim].verdict == "undecided"
        assert "interval includes zero" in found[claim].sentence
        assert " lower to " in found[claim].sentence


def test_a_claim_about_nll_has_the_interval_and_the_p_of_the_matrix(tmp_path: Path) -> None:
    found = differences(made_of(tmp_path, NOISE))
    pairs = compare_pairs(found).seeds
    told = [f for f in find(found) if f.difference and f.against and "NLL" in f.sentence[:10]]
    assert len(told) == 3 and all(f.difference == pairs[f.subject, f.against] for f in told if f.against)


def test_equivalent_networks_are_no_difference_to_speak_of(tmp_path: Path) -> None:
    made = made_of(tmp_path, {**CLEAR, "dilated": (24.02, 24.05, 23.98)})
    (claim,) = (c for c in CLAIMS if c.text == "dilated: higher NLL")
    (finding,) = find(differences(made, margin=0.05), [claim])
    assert finding.verdict == "not supported" and "Equivalent, within 1.10 nats." in finding.sentence
    (finding,) = find(differences(made, margin=0.0), [claim])
    assert finding.verdict == "undecided" and "the interval includes zero" in finding.sentence
    apart = made_of(tmp_path / "apart", {**CLEAR, "dilated": (24.20, 24.25, 24.15)})
    (finding,) = find(differences(apart, margin=0.05), [claim])
    assert finding.verdict == "supported" and "Equivalent, small: within 1.10 nats." in finding.sentence


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    found = by_claim(made_of(tmp_path, CLEAR, seeds=1))
    for finding in found.values():
        if finding.ratio is None:
            assert finding.verdict == "undecided", finding
            assert "two seeds of each" in finding.sentence


def test_agreement_and_accuracy_are_compared_with_chance(tmp_path: Path) -> None:
    made = made_of(tmp_path, CLEAR)
    found = by_claim(made)
    labels, accuracy = (
        found["conditional: label-specific outputs"],
        found["conditional: tells the labels apart"],
    )
    assert (labels.verdict, accuracy.verdict, labels.against) == ("supported", "supported", None)
    assert "by guessing, 10.0 %" in labels.sentence and "itself is right on 98.0 %" in labels.sentence
    assert accuracy.sentence.startswith(
        "The accuracy of Bayes' rule of conditional is 95.9 %, 74.2 percentage points higher than by guessing"
    ), "13 of the 60 test images are of the commonest class"
    for seed in range(3):
        folder = folder_of(made).run_of(made.run("digits", "conditional", seed)).path
        change_json(RunFolder(folder).analysis_file, agreement=0.10 + 0.02 * (seed - 1))
    assert by_claim(made)["conditional: label-specific outputs"].verdict == "undecided"


def test_the_commonest_class_is_known_from_the_data(tmp_path: Path) -> None:
    made = made_of(tmp_path, CLEAR)
    for seed in range(3):
        folder_of(made).run_of(made.run("digits", "conditional", seed)).analysis_file.unlink()
    found = by_claim(made)
    assert found["conditional: tells the labels apart"].verdict == "supported"
    assert "no samples that a classifier judged" in found["conditional: label-specific outputs"].sentence
    folder_of(made).dataset("digits").data.unlink()
    finding = by_claim(made)["conditional: tells the labels apart"]
    assert finding.verdict == "not measured" and "guess" in finding.sentence


def test_gaps_at_the_chosen_epoch_and_in_the_end(tmp_path: Path) -> None:
    made = made_of(tmp_path, CLEAR)
    for name, gap in (("pixelcnn", 0.5), ("dilated", 2.0)):
        for seed in range(3):
            folder = folder_of(made).run_of(made.run("digits", name, seed)).path
            wobble = 0.01 * (seed - 1) * (1 if name == "dilated" else -1)
            change_json(RunFolder(folder).analysis_file, train_nll=20.0, valid_nll=20.0 + gap + wobble)
            lines = RunFolder(folder).history_file.read_text(encoding="utf-8").splitlines()
            last = json.loads(lines[-1]) | {"train_nll": 20.0, "valid_nll": 20.0 - gap + wobble}
            RunFolder(folder).history_file.write_text(
                "\n".join([*lines[:-1], json.dumps(last)]) + "\n", encoding="utf-8"
            )
    found = by_claim(made)
    chosen, end = (found[f"dilated: larger {gap}"] for gap in ("generalization gap", "gap at the end"))
    assert chosen.verdict == "supported" and "2.00 nats, 1.50 nats higher" in chosen.sentence
    assert end.verdict == "contradicted" and "-2.00 nats, 1.50 nats lower" in end.sentence
    assert "while they trained" in end.sentence


def test_receptive_fields(tmp_path: Path) -> None:
    made = made_of(tmp_path, CLEAR)
    for name, radius in (("pixelcnn", 2.0), ("attention", 4.0), ("dilated", 2.0)):
        for seed in range(3):
            folder = folder_of(made).run_of(made.run("digits", name, seed)).path
            change_json(
                RunFolder(folder).analysis_file, effective_radius=radius + 0.01 * seed**2, effective_pixels=21
            )
    found = by_claim(made)
    assert found["base: uses nearer pixels"].verdict == "supported"
    assert "Of the 105 earlier pixels" in found["base: uses nearer pixels"].sentence
    equal = found["dilated: larger effective receptive field"]
    assert equal.verdict == "undecided" and "20.0 %, equal to that of pixelcnn" in equal.sentence
    assert "it can be so by chance" in equal.sentence
    for seed, pixels in enumerate((30, 41, 35)):  # others vary: there is a spread, but these still are counts
        folder = folder_of(made).run_of(made.run("digits", "attention", seed)).path
        change_json(RunFolder(folder).analysis_file, effective_pixels=pixels)
    assert by_claim(made)["dilated: larger effective receptive field"] == replace(
        equal, difference=by_claim(made)["dilated: larger effective receptive field"].difference
    )


def test_a_difference_between_unlike_seeds_says_that_it_is_seed_by_seed(tmp_path: Path) -> None:
    made = made_of(tmp_path, {name: (*CLEAR[name], 30.0) for name in CLEAR}, seeds=4)
    shutil.rmtree(folder_of(made).run_of(made.run("digits", "attention", 3)).path)
    sentence = by_claim(made)["attention: lower NLL"].sentence
    assert re.search(
        r"22\.00 nats, 2\.0\d nats lower, seed by seed, than that of pixelcnn, 25\.50 nats", sentence
    )


def test_times(tmp_path: Path) -> None:
    made = made_of(tmp_path, CLEAR)
    cost = folder_of(made).cost("digits", "attention")
    slower = by_claim(made)["attention: slower"]
    assert slower.verdict == "supported" and slower.ratio and slower.difference is None
    assert slower.ratio.value == pytest.approx(9 / 8)
    assert "1.12 times the" in slower.sentence and "5 and 5 rounds" in slower.sentence
    for seconds, verdict in (
        ([0.002] * 5, "contradicted"),
        ([0.006, 0.011, 0.008], "undecided"),
        ([1.0], "undecided"),
    ):
        change_json(cost, step_seconds=seconds)
        assert by_claim(made)["attention: slower"].verdict == verdict
    change_json(cost, device="cuda")
    apart = by_claim(made)["attention: slower"]
    assert apart.verdict == "not measured" and "different conditions (device: cuda and cpu)" in apart.sentence
    cost.unlink()
    missing = by_claim(made)["attention: slower"]
    assert missing.verdict == "not measured" and "of attention was not timed" in missing.sentence


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants=VARIANTS)
    found = by_claim(made)
    claims = [c for c in CLAIMS if any(map(c.subject, made.variants.values())) and (c.other or c.guess)]
    assert len(found) == len(claims) == len(CLAIMS) - 5
    assert all(f.verdict == "not measured" and "Not measured" in f.sentence for f in found.values())
    assert "has no finished run" in found["dilated: higher NLL"].sentence
    assert sentences(made) == [f"Of {len(claims)} claims about such variants none could be tested."]


def test_a_variant_with_nothing_to_compare_with(tmp_path: Path) -> None:
    found = by_claim(made_of(tmp_path, {"conditional": CLEAR["conditional"]}))
    assert "no variant that is the same but for the label" in found["conditional: higher NLL"].sentence
    assert not any(f.claim.startswith(("dilated", "attention")) for f in found.values())


@pytest.mark.parametrize(("likelihood", "against"), [("bernoulli", "pixelcnn"), ("categorical", None)])
def test_what_another_likelihood_gains_is_not_put_down_to_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, likelihood: str, against: str | None
) -> None:
    """That of the others is `auto`, which is bernoulli of two levels."""
    monkeypatch.setitem(VARIANTS, "attention", {"model": "attention", "likelihood": likelihood})
    finding = by_claim(made_of(tmp_path, CLEAR))["attention: lower NLL"]
    assert finding.against == against
    assert ("has no plain pixelcnn of its likelihood" in finding.sentence) == (against is None)


def test_a_claim_of_a_users_own(tmp_path: Path) -> None:
    results = differences(made_of(tmp_path, CLEAR))
    claim = Claim(
        "told", "?", subject=is_conditional, against=other_is(is_attention), measure=NLL, expected="lower"
    )
    finding = find(results, [claim])[0]
    assert (finding.claim, finding.subject, finding.against) == ("told", "conditional", "attention")
    assert finding.verdict == "contradicted"
    with pytest.raises(ValueError, match="either"):
        Claim("neither", "?", subject=is_base, measure=STEP, expected="lower")


def test_counts_that_agree_by_chance_decide_nothing(tmp_path: Path) -> None:
    results = differences(made_of(tmp_path, CLEAR))
    # One more for the dilated variant, which alone has an NLL below 23.5.
    counts = Metric(
        "count",
        "count",
        "things",
        "how many there are",
        source="test",
        value=lambda run: 3.0 + (run.test is not None and 22.5 < run.test.nll < 23.5),
        counted=True,
    )
    claim = Claim(
        "own", "?", subject=is_dilated, against=other_is(is_base), measure=counts, expected="higher"
    )
    (finding,) = find(results, [claim])
    assert finding.verdict == "undecided" and "the same count at every seed (n = 3)" in finding.sentence
    (finding,) = find(results, [replace(claim, measure=replace(counts, key="number", counted=False))])
    assert finding.verdict == "supported"


def test_a_number_that_is_not_finite_is_not_measured(tmp_path: Path) -> None:
    results = differences(made_of(tmp_path, CLEAR))
    broken = replace(NLL, value=lambda run: math.nan, spoken=Spoken("NLL", missing="diverged"))
    claim = Claim("own", "?", subject=is_dilated, against=other_is(is_base), measure=broken, expected="lower")
    assert find(results, [claim])[0].sentence == "Not measured: dilated diverged."


def test_the_later_architectures_are_held_against_the_plain_one(tmp_path: Path) -> None:
    nll = {
        "pixelcnn": CLEAR["pixelcnn"],
        "pixelsnail": CLEAR["attention"],
        "pixelcnn_pp": CLEAR["conditional"],
    }
    variants = {name: {"model": name} for name in nll}
    made = made_up.benchmark(tmp_path, variants=variants, seeds=[0, 1, 2])
    for name, values in nll.items():
        for seed, value in enumerate(values):
            made_up.write_run(made, made.run("digits", name, seed), nll=value)
    found = by_claim(made)
    assert "depth: lower NLL" not in found and "strides: lower NLL" not in found
    assert found["pixelsnail: lower NLL"].verdict == "supported"
    assert found["pixelcnn++: lower NLL"].verdict == "contradicted"


def test_a_depth_that_is_no_number_is_no_depth() -> None:
    stages, one, two = (
        VariantSpec("own.py", hyperparameters={"blocks": blocks}, match_parameters=9000)
        for blocks in ([2, 2], 1, 2)
    )
    assert is_deeper(two, one) and not is_deeper(one, two)
    assert not is_deeper(stages, one) and not is_deeper(one, stages)


def test_networks_of_several_sizes_say_nothing_of_depth_or_strides() -> None:
    for key, compare in (("blocks", is_deeper), ("resolutions", is_strided)):
        one, more = (VariantSpec("pixelcnn_pp", hyperparameters={key: n}) for n in (1, 2))
        assert not compare(more, one), "the one with more is larger"
        assert not compare(replace(more, match_parameters=9000), replace(one, match_parameters=8000))
        assert compare(*(replace(spec, match_parameters=9000) for spec in (more, one)))


def test_depth_and_strides_are_held_against_the_same_architecture_without_them(tmp_path: Path) -> None:
    networks = {
        "deep": ("pixelcnn", {"blocks": 9}, CLEAR["attention"]),
        "shallow": ("pixelcnn", {"blocks": 2}, CLEAR["pixelcnn"]),
        "dilated": ("pixelcnn", {"blocks": 12, "dilations": [1, 2]}, CLEAR["dilated"]),
        "strided": ("pixelcnn_pp", {"blocks": 1, "resolutions": 2}, CLEAR["conditional"]),
        "unstrided": ("pixelcnn_pp", {"blocks": 2, "resolutions": 1}, CLEAR["dilated"]),
        "gated": ("gated", {"blocks": 1}, CLEAR["conditional"]),
    }
    variants = {
        name: {"model": m, "hyperparameters": h, "match_parameters": 9000}
        for name, (m, h, _) in networks.items()
    }
    variants["shallow"]["training"] = {"learning_rate": 0.5}
    made = made_up.benchmark(tmp_path, variants=variants, seeds=[0, 1, 2])
    for name, (_, _, values) in networks.items():
        for seed, value in enumerate(values):
            made_up.write_run(made, made.run("digits", name, seed), nll=value)
    told = {
        (f.claim, f.subject, f.against): f.verdict
        for f in find(differences(made))
        if f.claim.partition(":")[0] in ("depth", "strides", "gated")
    }
    assert told == {
        ("depth: lower NLL", "deep", "shallow"): "supported",
        ("strides: lower NLL", "strided", "unstrided"): "contradicted",
        ("gated: lower NLL", "gated", "deep"): "contradicted",
        ("gated: lower NLL", "gated", "shallow"): "contradicted",
    }
