"""How often a table of comparisons may err: in one look, in all looks, in many tests at once."""

from __future__ import annotations

from collections.abc import Sequence

from pixelcnn.system.errors import UserError

#: A difference is certain where its adjusted p is below this.
SIGNIFICANCE = 0.05


def level_of(look: int) -> float:
    """What of the error rate of 0.05 a look at a growing table spends, counted from 1.

    0.04, 0.0075, and then a fifth of the one before each time. The sum of all is below 0.05; so, by
    Bonferroni, looks at numbers of seeds fixed beforehand keep it together, however many they are.

    Raises:
        UserError: for a look before the first.
    """
    if look < 1:
        raise UserError(f"look {look} at a growing table: the first is look 1")
    return 0.04 if look == 1 else 0.0075 / 5.0 ** (look - 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's corrected p of each test: below 0.05 in any of them with a chance of 5 % if all is noise.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests  # half a second, with the scipy.stats it loads

    return [float(p) for p in multipletests(p_values, method="holm")[1]]
