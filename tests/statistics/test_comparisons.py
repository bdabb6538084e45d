"""Tables variant x seed to verdicts: numbers by scipy.stats, by least squares and by brute force."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from benchmarks.decisions import simulate
from benchmarks.simulated_tables import Setting, cells, found
from pixelcnn.statistics.analysis import Variances, analyse
from pixelcnn.statistics.comparisons import Comparison, compare
from pixelcnn.statistics.layout import lay_out
from pixelcnn.statistics.levels import level_of
from pixelcnn.statistics.stepdown import single_step, step_down
from pixelcnn.statistics.studentized_range import quantile, survival
from pixelcnn.system.errors import UserError

#: NIST/SEMATECH e-Handbook of Statistical Methods, 7.4.7.1: four groups of five, and Tukey's 95 % intervals.
HANDBOOK = {
    "1": [6.9, 5.4, 5.8, 4.6, 4.0],
    "2": [8.3, 6.8, 7.8, 9.2, 6.5],
    "3": [8.0, 10.5, 8.1, 6.9, 9.3],
    "4": [5.8, 3.8, 6.1, 5.6, 6.2],
}
HANDBOOK_INTERVALS = {
    ("2", "1"): (0.29, 4.47), ("3", "1"): (1.13, 5.31), ("1", "4"): (-2.25, 1.93),
    ("2", "3"): (-2.93, 1.25), ("2", "4"): (0.13, 4.31), ("3", "4"): (0.97, 5.15),
}  # fmt: skip

Table = dict[str, dict[int, float]]


def table(rows: dict[str, list[float]]) -> Table:
    return {name: dict(enumerate(values)) for name, values in rows.items()}


def drawn(seed: int, sd: list[float], n: int = 4, shared: float = 0.0, step: float = 0.0) -> Table:
    """Variants a, b, ... with these sd around 100, 100 + step, ..., and an effect of each seed."""
    random = np.random.default_rng(seed)
    effect = shared * random.normal(size=n)
    values = [100 + i * step + s * random.normal(size=n) + effect for i, s in enumerate(sd)]
    return table(dict(zip("abcdefgh", (list(map(float, v)) for v in values), strict=False)))


def alike(values: Table) -> dict[str, int]:
    return dict.fromkeys(values, 0)


@pytest.mark.parametrize(("groups", "freedom"), [(2, 1), (3, 2), (5, 8), (9, 3.7), (40, 100)])
def test_the_studentized_range_is_that_of_scipy(groups: int, freedom: float) -> None:
    q = np.array([0.5, 3.0, 6.0, 20.0])
    expected = [float(stats.studentized_range.sf(at, groups, freedom)) for at in q]
    assert survival(q, groups, freedom) == pytest.approx(expected, rel=1e-3, abs=1e-9)
    assert quantile(expected[1], groups, freedom) == pytest.approx(3.0, rel=1e-3)


def test_one_way_is_tukeys_test_as_published_and_as_scipy_has_it() -> None:
    found = compare(table(HANDBOOK), data_order={})
    assert (found.form, found.sd_in_blocks, found.coherent) == ("common error", None, True)
    assert found.sd == pytest.approx(math.sqrt(np.mean([np.var(g, ddof=1) for g in HANDBOOK.values()])))
    names = list(HANDBOOK)
    expected = stats.tukey_hsd(*HANDBOOK.values())
    low, high = expected.confidence_interval(1 - level_of(1))
    analysis = analyse(
        lay_out({n: range(5) for n in names}, {}),
        np.array([[v for group in HANDBOOK.values() for v in group]]),
    )
    for at, (i, j) in enumerate(itertools.combinations(range(4), 2)):
        one = found[names[i], names[j]]
        assert (one.low, one.high) == pytest.approx((low[i, j], high[i, j]), rel=2e-3)
        assert analysis.single[0, at] == pytest.approx(expected.pvalue[i, j], rel=2e-3)
    for pair, (lowest, highest) in HANDBOOK_INTERVALS.items():
        half = quantile(0.05, 4, 16) / math.sqrt(2) * (found[pair].error or 0)
        assert found[pair].difference == pytest.approx((lowest + highest) / 2, abs=0.006)
        assert half == pytest.approx((highest - lowest) / 2, abs=0.006)


def test_two_way_with_a_seed_missing_is_least_squares() -> None:
    values = drawn(4, [1, 1, 1, 1], n=5, shared=3.0)
    del values["b"][1], values["d"][4]
    found = compare(values, data_order=alike(values))
    assert (found.form, found.sd, found.coherent) == ("common error", None, False)
    cells = [(name, seed) for name in values for seed in values[name]]
    columns = [
        [float(name == n) for n in "abcd"] + [float(seed == s) for s in range(1, 5)] for name, seed in cells
    ]
    design, y = np.array(columns), np.array([values[name][seed] for name, seed in cells])
    means, squares, rank, _ = np.linalg.lstsq(design, y)
    freedom = len(cells) - rank
    assert found.sd_in_blocks == pytest.approx(math.sqrt(squares[0] / freedom))
    covariance = squares[0] / freedom * np.linalg.inv(design.T @ design)
    for i, j in itertools.combinations(range(4), 2):
        one = found["abcd"[i], "abcd"[j]]
        error = math.sqrt(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])
        assert (one.difference, one.error, one.freedom) == pytest.approx(
            (means[i] - means[j], error, freedom)
        )
        assert one.plain_p == pytest.approx(2 * stats.t.sf(abs(means[i] - means[j]) / error, freedom))


def test_two_variants_are_students_paired_test_and_a_lone_one_meets_a_baseline_by_welchs() -> None:
    values = drawn(5, [1, 1], shared=2.0, step=1.5)
    a, b = (list(values[name].values()) for name in "ab")
    paired = compare(values, data_order=alike(values))["a", "b"]
    assert paired.plain_p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired.p == pytest.approx(1.25 * stats.ttest_rel(a, b).pvalue, rel=2e-3)
    apart = compare(values, data_order=alike(values), baselines=["b"])["a", "b"]
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert (apart.form, apart.plain_p) == ("baseline", pytest.approx(expected.pvalue))
    assert (apart.low, apart.high) == pytest.approx(tuple(expected.confidence_interval(1 - level_of(1))))


def test_baselines_and_other_data_orders_stay_out_of_the_error_of_the_rest() -> None:
    values = drawn(7, [1, 1, 1, 1], n=5, shared=4.0)
    alone = compare(values, data_order=alike(values))
    more = compare(
        values | table({"base": [110.0, 140.0, 80.0]}), data_order=alike(values), baselines=["base"]
    )
    assert more["a", "b"] == alone["a", "b"]
    assert more["a", "base"].verdict == "undecided"  # its own spread, although that of the networks is small
    order = {"a": 0, "b": 0, "c": 0, "d": 1}
    partly = compare(values, data_order=order)
    assert [partly["a", other].blocked for other in "bcd"] == [True, True, False]
    three = compare({name: values[name] for name in "abc"}, data_order=order)
    means = np.mean([np.var(list(values[name].values()), ddof=1) for name in "abcd"])
    assert (partly.sd_in_blocks, partly.sd) == pytest.approx((three.sd_in_blocks, math.sqrt(means)))
    two = compare(values, data_order={"a": 0, "b": 0, "c": 1, "d": 1})
    assert [two[pair].blocked for pair in (("a", "b"), ("c", "d"), ("a", "c"))] == [True, True, False]
    within, across = partly["a", "b"], partly["a", "d"]
    assert across.difference == pytest.approx(np.mean([values["a"][s] - values["d"][s] for s in range(5)]))
    assert across.error > 2 * within.error  # of seeds that were not shared, the effects stay in
    rest = compare({n: values[n] for n in "abc"}, data_order=order)["a", "b"]
    assert (within.error, within.freedom) == pytest.approx((rest.error, rest.freedom))


def test_own_variances_are_unbiased_and_take_over_where_they_differ() -> None:
    sd = [1.0, 2.0, 4.0, 8.0, 16.0]
    layout = lay_out({name: range(4) for name in "abcde"}, dict.fromkeys("abcde", 0))
    random = np.random.default_rng(0)
    values = random.normal(size=(4000, 5, 4)) * np.array(sd)[:, None] + 9 * random.normal(size=(4000, 1, 4))
    variances = Variances.of(layout, values.reshape(4000, 20), blocked=True)
    assert variances.own.mean(axis=0) == pytest.approx(np.square(sd), rel=0.1, abs=3)
    assert variances.common.mean() == pytest.approx(np.square(sd).mean(), rel=0.05)
    assert variances.one.mean() < 0.15
    one = compare(drawn(1, sd), data_order={})
    assert (one.form, one.coherent) == ("own errors", False)
    squares = {n: np.var(list(v.values()), ddof=1) for n, v in drawn(1, sd).items()}
    shrunk = {n: 0.25 * np.mean(list(squares.values())) + 0.75 * s for n, s in squares.items()}
    assert one["a", "b"].error == pytest.approx(math.sqrt((shrunk["a"] + shrunk["b"]) / 4))
    # Satterthwaite at equal variances: the pair's have weight 0.75 + 0.25 / 5, the others 0.25 / 5.
    share = np.array([2 * 0.25 / 5 + 0.75] * 2 + [2 * 0.25 / 5] * 3)
    assert one["a", "b"].freedom == pytest.approx(3 * share.sum() ** 2 / (share**2).sum(), rel=1e-5)


def clusterings(names: list[int]) -> Iterator[list[list[int]]]:
    """Every way to divide names into clusters."""
    if not names:
        yield []
        return
    first, *rest = names
    for size in range(len(rest) + 1):
        for others in itertools.combinations(rest, size):
            for more in clusterings([name for name in rest if name not in others]):
                yield [[first, *others], *more]


@pytest.mark.parametrize("ranked", [True, False])
def test_step_down_by_brute_force(ranked: bool) -> None:
    """Exact where t comes of one ranking, and else never below the worst of all clusterings."""
    random = np.random.default_rng(2)
    pairs = list(itertools.combinations(range(5), 2))
    means = random.permutation([0.0, 2.0, 4.1, 6.3, 8.6])
    t = np.array([[abs(means[i] - means[j]) if ranked else abs(random.normal(0, 3)) for i, j in pairs]])
    freedom = np.full(10, 8.0)
    found, single = step_down(t, 5, freedom)[0], single_step(t, 5, freedom)[0]
    apart, least = set[tuple[int, ...]](), 0.0
    for at in np.argsort(-t[0]):
        worst = 0.0
        for clusters in clusterings(list(range(5))):
            if not any(pair in apart for cluster in clusters for pair in itertools.combinations(cluster, 2)):
                inside = [1 - survival(math.sqrt(2) * t[0, at], len(cluster), 8.0) for cluster in clusters]
                worst = max(worst, 1 - float(math.prod(inside)))
        least = max(least, min(worst, single[at]))
        assert found[at] == pytest.approx(least) if ranked else found[at] >= least - 1e-9
        apart.add(pairs[at])
    assert (found <= single).all() and (found < 0.9 * single).any()


def test_verdicts_are_coherent_where_the_table_is_balanced_and_the_error_common() -> None:
    seen = set()
    for seed in range(120):
        values = drawn(seed, [1.0] * 5, n=3 + seed % 3, shared=seed % 2, step=0.8)
        found = compare(values, data_order=alike(values), margin=0.9)
        if not found.coherent:
            continue
        ranked = sorted(values, key=lambda name: np.mean(list(values[name].values())))
        apart = {pair: found[pair].sign is not None for pair in found.pairs}
        for a, b, c in itertools.combinations(ranked, 3):
            assert apart[a, c] or not (apart[a, b] or apart[b, c])
            better = [found[pair].verdict == "better" for pair in ((a, b), (b, c), (a, c))]
            assert better[2] or not (better[0] and better[1])
        seen |= {one.verdict for one in found.pairs.values()} | {one.stepwise for one in found.pairs.values()}
    assert seen >= {"better", "worse", "undecided", True, False}


def test_verdicts_in_their_order() -> None:
    def one(low: float, high: float, p: float, margin: float = 0.0) -> Comparison:
        return Comparison((low + high) / 2, (3, 3), low=low, high=high, p=p, margin=margin)

    assert (one(0.1, 0.4, 0.001, 0.5).verdict, one(0.1, 0.4, 0.001, 0.5).sign) == ("equivalent", "higher")
    assert one(0.1, 0.5, 0.001, 0.5).verdict == "worse"
    assert (one(-0.5, -0.1, 0.001).verdict, one(-0.5, -0.1, 0.001).stepwise) == ("better", False)
    assert (one(-0.5, 0.1, 0.04).verdict, one(-0.5, 0.1, 0.04).stepwise) == ("better", True)
    assert (one(-0.5, 0.1, 0.05).verdict, one(-0.5, 0.1, 0.05).stepwise) == ("undecided", False)
    back = one(-0.5, -0.1, 0.001).reverse
    assert (back.verdict, back.low, back.high) == ("worse", 0.1, 0.5)


@pytest.mark.filterwarnings("error")
def test_what_allows_no_test_and_what_leaves_nothing_to_chance() -> None:
    values = table({"a": [1.0], "b": [2.0, 2.0, 2.0], "c": [2.0, 2.0, 2.0], "d": [3.1, 3.1, 3.1]})
    found = compare(values, data_order=alike(values))
    assert (found["a", "b"].difference, found["a", "b"].verdict, found["a", "b"].p) == (-1.0, None, None)
    assert (found["b", "c"].p, found["b", "d"].p, found["b", "d"].verdict) == (1.0, 0.0, "better")
    assert compare({"a": {0: 1.0}}, data_order={}).pairs == {}
    with pytest.raises(UserError, match="cannot compare a"):
        compare(table({"a": [1.0, math.nan], "b": [1.0, 2.0]}), data_order={})
    with pytest.raises(UserError, match="look 0 "):
        compare(table(HANDBOOK), data_order={}, look=0)


def test_any_number_of_looks_spends_less_than_the_error_rate() -> None:
    assert [level_of(look) for look in range(1, 5)] == pytest.approx([0.04, 0.0075, 0.0015, 0.0003])
    assert 0.0493 < sum(map(level_of, range(1, 30))) < 0.05
    first, third = (compare(table(HANDBOOK), data_order={}, look=look)["2", "1"] for look in (1, 3))
    assert 0 < third.p < 1 and third.p == pytest.approx(first.p * 0.04 / 0.0015)
    assert third.critical == pytest.approx(quantile(0.0015, 4, 16) / math.sqrt(2))


def test_the_simulation_does_the_arithmetic_of_the_report_and_is_as_good_as_said() -> None:
    random = np.random.default_rng(0)
    setting = Setting(4, ratio=10, missing=True, apart=1)
    layout = setting.layout()
    tables = cells(layout, setting.noise(6, random) + setting.means(6, 0, random)[:, :, None])
    analysis = analyse(layout, tables)
    assert set(analysis.common) == {True, False}
    for draw, values in enumerate(tables):
        by_name: Table = {name: {} for name in layout.names}
        for (name, seed), value in zip(layout.cells, values, strict=True):
            by_name[name][seed] = float(value)
        one = compare(by_name, data_order={name: 0 for name in layout.names[:4]})
        assert one.form == ("common error" if analysis.common[draw] else "own errors")
        ps = [one[layout.names[i], layout.names[j]].p for i, j in layout.pairs]
        assert ps == pytest.approx(np.minimum(1, 1.25 * analysis.stepped[draw]))
        assert [p < 0.05 for p in ps] == list(found(analysis)[draw])
    rates = simulate(Setting(5, ratio=4, correlation=0.5), 500, random)
    assert rates.false < 0.09 and rates.false_of_two < 0.07 and rates.coverage > 0.91
    assert rates.found > rates.holm_found + 0.08 and 0.1 < rates.common < 0.4
