"""Claims, answered from made-up runs in which the answer is known."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import VariantSpec
from pixelcnn.report.claims import (
    CLAIMS,
    NLL,
    STEP,
    Claim,
    is_attention,
    is_base,
    is_conditional,
    is_dilated,
    is_twin,
    other_is,
)
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import VariantResult, rank
from pixelcnn.report.differences import Differences
from pixelcnn.report.findings import Finding, find
from pixelcnn.report.headline import summary_sentences
from pixelcnn.report.looks import Look
from pixelcnn.report.pairs import compare_pairs
from pixelcnn.results.folder import RunFolder, folder_of
from pixelcnn.results.metric import Metric, Spoken

SIZE = {"channels": 24, "blocks": 4}
VARIANTS: dict[str, Any] = {
    "pixelcnn": {"model": "pixelcnn", "hyperparameters": SIZE},
    "conditional": {"model": "pixelcnn", "conditional": True, "hyperparameters": SIZE},
    "dilated": {"model": "pixelcnn", "hyperparameters": {**SIZE, "dilations": [1, 2, 4]}},
    "attention": {"model": "attention"},
}

#: Test NLL in nats by seed; a conditional run's label-marginalised one is 0.4 above.
CLEAR = {
    "pixelcnn": (24.00, 24.05, 23.95),
    "conditional": (25.60, 25.66, 25.55),
    "dilated": (23.00, 23.06, 22.95),
    "attention": (22.00, 22.05, 21.96),
}
NOISE = {
    "pixelcnn": (24.0, 24.3, 23.8),
    "conditional": (23.9, 23.5, 23.4),
    "dilated": (23.9, 24.1, 24.2),
    "attention": (24.1, 23.9, 24.0),
}


def made_of(root: Path, nll: dict[str, tuple[float, ...]], seeds: int = 3, costs: bool = True) -> Benchmark:
    variants = {name: VARIANTS[name] for name in nll}
    made = made_up.benchmark(root, variants=variants, seeds=list(range(seeds)))
    for name, values in nll.items():
        for seed in range(seeds):
            made_up.write_run(made, made.run("digits", name, seed), nll=values[seed])
        if costs:
            made_up.write_cost(made, "digits", name)
    return made


def ranked(made: Benchmark) -> list[VariantResult]:
    return rank(collect(folder_of(made).path).datasets[0])


def differences(made: Benchmark, margin: float = 0.005, look: int = 1) -> Differences:
    return Differences(ranked(made), margin=margin, look=Look(look, (3,) * (look - 1)))


def by_claim(made: Benchmark) -> dict[str, Finding]:
    findings = find(differences(made))
    assert len({f.claim for f in findings}) == len(findings)
    return {f.claim: f for f in findings}


def sentences(made: Benchmark, look: int = 1) -> list[str]:
    found = differences(made, look=look)
    return summary_sentences(made, found.results, compare_pairs(found), find(found))


def change_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


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
    higher, lower = found["conditional: higher NLL"], found["attention: more consistent digits"]
    dilated = found["dilated: higher NLL"]
    assert (higher.verdict, lower.verdict, dilated.verdict) == ("supported", "supported", "not supported")
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
        "attention: more consistent digits",
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
    assert finding.verdict == "undecided" and "guess" in finding.sentence


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
    chosen, end = found["dilated: overfits more"], found["dilated: overfits more in the end"]
    assert chosen.verdict == "supported" and "2.00 nats, 1.50 nats higher" in chosen.sentence
    assert end.verdict == "not supported" and "-2.00 nats, 1.50 nats lower" in end.sentence
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
    assert found["base: lacks global structure"].verdict == "supported"
    assert "Of the 105 earlier pixels" in found["base: lacks global structure"].sentence
    equal = found["dilated: larger receptive field"]
    assert equal.verdict == "undecided" and "20.0 %, equal to that of pixelcnn" in equal.sentence
    assert "it can be so by chance" in equal.sentence
    for seed, pixels in enumerate((30, 41, 35)):  # others vary: there is a spread, but these still are counts
        folder = folder_of(made).run_of(made.run("digits", "attention", seed)).path
        change_json(RunFolder(folder).analysis_file, effective_pixels=pixels)
    assert by_claim(made)["dilated: larger receptive field"] == replace(
        equal, difference=by_claim(made)["dilated: larger receptive field"].difference
    )


def test_a_difference_between_unlike_seeds_says_that_it_is_seed_by_seed(tmp_path: Path) -> None:
    made = made_of(tmp_path, {name: (*CLEAR[name], 30.0) for name in CLEAR}, seeds=4)
    shutil.rmtree(folder_of(made).run_of(made.run("digits", "attention", 3)).path)
    sentence = by_claim(made)["attention: more consistent digits"].sentence
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
        ([0.002] * 5, "not supported"),
        ([0.006, 0.011, 0.008], "undecided"),
        ([1.0], "undecided"),
    ):
        change_json(cost, step_seconds=seconds)
        assert by_claim(made)["attention: slower"].verdict == verdict
    change_json(cost, device="cuda")
    assert "different conditions (device: cuda and cpu)" in by_claim(made)["attention: slower"].sentence
    cost.unlink()
    missing = by_claim(made)["attention: slower"]
    assert missing.verdict == "undecided" and "of attention was not timed" in missing.sentence


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants=VARIANTS)
    found = by_claim(made)
    assert len(found) == len(CLAIMS)
    assert all(f.verdict == "undecided" and "Not measured" in f.sentence for f in found.values())
    assert "has no finished run" in found["dilated: higher NLL"].sentence
    assert sentences(made) == [f"Not one of {len(CLAIMS)} claims could be tested."]


def test_a_variant_with_nothing_to_compare_with(tmp_path: Path) -> None:
    found = by_claim(made_of(tmp_path, {"conditional": CLEAR["conditional"]}))
    assert "no variant that is the same but for the label" in found["conditional: higher NLL"].sentence
    assert not any(f.claim.startswith(("dilated", "attention")) for f in found.values())


def test_a_claim_of_a_users_own(tmp_path: Path) -> None:
    results = differences(made_of(tmp_path, CLEAR))
    claim = Claim(
        "told", "?", subject=is_conditional, against=other_is(is_attention), measure=NLL, expected="lower"
    )
    finding = find(results, [claim])[0]
    assert (finding.claim, finding.subject, finding.against) == ("told", "conditional", "attention")
    assert finding.verdict == "not supported"
    with pytest.raises(ValueError, match="either"):
        Claim("neither", "?", subject=is_base, measure=STEP, expected="lower")


def test_sentences_about_a_clear_result(tmp_path: Path) -> None:
    first, decided, recipes, cost, claims = sentences(made_of(tmp_path, CLEAR))
    assert recipes == "No variant was tuned: all run one recipe."
    assert first.startswith(
        "attention has the lowest NLL, 22.00 nats per image: it is 1.00 nats better than dilated"
    )
    assert re.search(r"\(95 % simultaneous interval 0\.9\d to 1\.0\d, n = 3\)\.$", first)
    assert decided == "All 6 pairs of variants differ."
    assert "1.12 times" in cost and "parameters against" in cost and "of pixelcnn" in cost
    assert claims.startswith("Of 9 claims that were put to the test,") and "2 could not be tested" in claims


def test_what_is_undecided_is_said_with_its_names(tmp_path: Path) -> None:
    first, decided, *_ = sentences(made_of(tmp_path, NOISE))
    assert "but that it is" in first and "is undecided, and so is whether it is better than" in first
    assert all(name in first for name in NOISE)
    assert decided == "Of 6 pairs of variants 6 are undecided."
    conditional = {"conditional": (20.0, 20.1, 20.0), "pixelcnn": NOISE["pixelcnn"]}
    first = sentences(made_of(tmp_path / "other", conditional))[0]
    assert first.startswith("conditional has the lowest label-marginalised NLL, 20.43")


def test_a_further_look_is_stricter_and_says_so(tmp_path: Path) -> None:
    made = made_of(tmp_path, {**NOISE, "attention": (22.6, 22.9, 22.7)})
    first = differences(made).of(NLL)["attention", "pixelcnn"]
    second = differences(made, look=2).of(NLL)["attention", "pixelcnn"]
    assert first.p is not None and second.p == pytest.approx(min(1.0, first.p * 0.04 / 0.0075))
    assert first.low is not None and second.low is not None and second.low < first.low
    decided = sentences(made, look=2)[1]
    assert "This is the second look at these variants, after one at 3 seeds: verdicts are stricter" in decided


def test_an_interval_is_that_of_the_best_variant_which_the_sentence_is_about(tmp_path: Path) -> None:
    first = sentences(made_of(tmp_path, {"pixelcnn": (24.0, 24.3, 23.8), "attention": (23.6, 24.4, 22.7)}))[0]
    interval = re.search(
        r"it is 0.47 nats better than pixelcnn "
        r"\(95 % simultaneous interval ([\d.]+) lower to ([\d.]+) higher",
        first,
    )
    assert interval and float(interval[1]) - float(interval[2]) == pytest.approx(2 * 0.47, abs=0.02)


@pytest.mark.parametrize("names", [["pixelcnn"], ["pixelcnn", "attention"], list(VARIANTS)])
@pytest.mark.parametrize(("seeds", "costs"), [(1, True), (2, True), (3, True), (1, False), (3, False)])
def test_sentences_with_missing_pieces(tmp_path: Path, seeds: int, names: list[str], costs: bool) -> None:
    made = made_of(tmp_path, {name: CLEAR[name] for name in names}, seeds=seeds, costs=costs)
    found = sentences(made)
    assert 3 <= len(found) <= 5
    assert not any(word in " ".join(found) for word in ("None", "nan", "inf "))
    if len(names) == 1:
        assert "only variant with results so far" in found[0]
    elif seeds == 1:
        assert "only two seeds of each can tell that from chance (n = 1)" in found[0]
    if not costs and len(names) > 1:
        assert any("was not timed" in sentence for sentence in found)


def test_the_best_is_so_for_certain_only_if_every_other_was_tested_and_lost(tmp_path: Path) -> None:
    made = made_up.benchmark(tmp_path, variants={name: VARIANTS[name] for name in CLEAR})
    for name, values in CLEAR.items():
        for seed, nll in enumerate(values[:1] if name == "conditional" else values):
            made_up.write_run(made, made.run("digits", name, seed), nll=nll)
    first = sentences(made)[0]
    assert first.endswith(" Whether it is better than conditional is undecided.")


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
