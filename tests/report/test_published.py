"""Our results beside published numbers: those of the same protocol, and why the nearest do not compare."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.reports import report_of

from benchmarks import made_up
from pixelcnn.config.published import UNKNOWN
from pixelcnn.config.run_spec import AugmentSpec, DatasetSpec, TrainingSpec
from pixelcnn.report import published
from pixelcnn.report.published import beside, differences, protocol_of, read_published, reason
from pixelcnn.report.sections import SECTIONS
from pixelcnn.report.sections.published import SECTION

RECIPE = TrainingSpec(epochs=1)
STATIC = DatasetSpec("binarized_mnist", 28, 2)
DYNAMIC = DatasetSpec("mnist", 28, 2, binarize="stochastic")
CIFAR = DatasetSpec("cifar10", 32)


@pytest.fixture(autouse=True)
def nothing_but_this_section() -> Iterator[None]:
    kept = list(SECTIONS)
    SECTIONS[:] = [SECTION]
    yield
    SECTIONS[:] = kept


def numbers(images: DatasetSpec, recipe: TrainingSpec = RECIPE) -> tuple[set[float], str]:
    """The values that compare with a dataset, and why others do not."""
    ours = protocol_of(images, recipe)
    found = beside(ours, read_published()) if ours else None
    if found is None:
        return set(), ""
    return {entry.value for entry in found.same}, " | ".join(apart.reason for apart in found.apart)


def test_what_compares_with_what():
    static, why = numbers(STATIC)
    assert {81.30, 79.20} <= static and not {81.45, 78.61, 77.56} & static and "dynamic" in why
    dynamic, why = numbers(DYNAMIC)
    assert {81.45, 78.61} <= dynamic and not {81.30, 79.20, 77.56} & dynamic
    assert "static binarization, here dynamic" in why and "a mixture of several, here one distribution" in why
    assert numbers(dataclasses.replace(DYNAMIC, binarize="threshold"))[0] == set()
    colour, why = numbers(CIFAR)
    assert {3.14, 2.92, 2.80} <= colour and 2.887 not in colour and why.startswith("a mixture")
    assert numbers(DatasetSpec("mnist", 28))[0] == {0.809}
    flipped, why = numbers(CIFAR, TrainingSpec(epochs=1, augment=AugmentSpec("horizontal")))
    assert 3.14 not in flipped and 2.92 in flipped and "here trained on mirrored images, too" in why
    small, why = numbers(DatasetSpec("imagenet32", 32))
    assert not small and "van den Oord et al. 2016 sampled it down, here ImageNet as Chrabaszcz" in why


@pytest.mark.parametrize(
    "images",
    [
        DatasetSpec("mnist5k", 14, 16),
        DatasetSpec("mnist5k", 28),
        DatasetSpec("mnist", 28, 16),
        DatasetSpec("binarized_mnist", 14, 2),
        DatasetSpec("mnist", (28, 14), 2),
        DatasetSpec("cifar10", 16, 16),
        DatasetSpec("folder", 32, channels=3, path="x"),
        DatasetSpec("own.py", 28, 2),
    ],
)
def test_nothing_compares_with_other_sizes_levels_or_data_of_ones_own(images: DatasetSpec):
    assert numbers(images)[0] == set()


def test_no_table_mixes_protocols():
    """Of any two that stand in a table together, no key that decides is known to differ."""
    entries = read_published()
    for one in entries:
        own = dataclasses.replace(one.protocol, augmentation="none", likelihood="exact", order="raster")
        found = beside(own, entries)
        keys = {(e.protocol.data, e.protocol.binarization, e.protocol.levels, e.protocol.models)
                for e in (found.same if found else [])}  # fmt: skip
        assert len(keys) <= 1
    ours = protocol_of(STATIC, RECIPE)
    assert ours is not None and not differences(ours, ours)
    for key in published.COMPARED:
        other = dataclasses.replace(ours, **{key: UNKNOWN})
        assert differences(other, ours) == ([] if key == "augmentation" else [key]), (
            "unknown agrees with nothing"
        )
        assert bool(reason(other, ours)) == (key != "augmentation")


def test_a_report_of_binarized_mnist_has_them_beside_its_results(tmp_path: Path):
    datasets = {"binary": {"source": "binarized_mnist", "image_size": 28, "levels": 2}}
    variants = {name: {"model": name} for name in ("independent", "a", "b", "c", "d")}
    made = made_up.benchmark(tmp_path, datasets=datasets, variants=variants, seeds=[0, 1])
    for spec in made.runs():
        nll = 79 + 2 * "abcd".find(spec.variant_name) + spec.seed / 10
        made_up.write_run(made, spec, nll=nll, sampled=False, metrics_values={"dims": 784})
    report = report_of(made)
    page, lines = (text.partition("Beside published numbers")[2] for text in (report.page, report.markdown))
    table, _, rest = page.partition("</table>")
    shown = re.findall(r'<th scope="row"[^>]*data-value="([^"]*)"', table)
    assert {"a", "b", "c"} < set(shown)
    assert "d" not in shown and "independent" not in shown, "the three best networks"
    assert 'href="https://arxiv.org/abs/1601.06759"' in table and ">81.30<" in table
    assert "79.05 ± 0.07" in table and "12 epochs" in table
    values = [float(value) for value in re.findall(r'<td class="num[^"]*" data-value="([^"]*)"', table)]
    assert values == sorted(values) and 81.30 in values and 81.45 not in values
    assert "≤ 80.97" in table and "upper bound" in table, "a bound is marked"
    (apart,) = re.findall(r"<li>(dynamic binarization[^:]*, here static binarization): (.*?)</li>", rest)
    assert "PixelCNN 81.45" in apart[1] and "pytorch-generative" in apart[1]
    assert "| PixelCNN | 81.30 | unknown |" in lines and "PixelSNAIL 78.61" in lines


def test_colour_is_told_in_bits_and_without_the_file_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    datasets = {"colour": {"source": "cifar10", "image_size": 32}}
    made = made_up.benchmark(tmp_path, datasets=datasets, variants={"a": {"model": "a"}}, seeds=[0])
    bits = {"dims": 3072, "bits_per_dim": 2.9871}
    made_up.write_run(
        made, made.runs()[0], nll=2.9871 * 3072 * math.log(2), sampled=False, metrics_values=bits
    )
    report = report_of(made)
    assert (
        "| **a** | 2.9871 | " in report.markdown
        and "| PixelCNN++ (augmentation unknown) | 2.92 |" in report.markdown
    )
    monkeypatch.setattr(published, "FILE", tmp_path / "absent.yaml")
    assert "Beside published" not in report_of(made).page
