"""Which variants of a benchmark claims are about, and which they are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pixelcnn.config.run_spec import LABEL_ONLY, VariantSpec


def is_base(spec: VariantSpec) -> bool:
    """The plain masked stack, neither dilated nor told the label."""
    return spec.model == "pixelcnn" and not spec.conditional and not _has_dilations(spec)


def is_attention(spec: VariantSpec) -> bool:
    """Attention, not told the label."""
    return spec.model == "attention" and not spec.conditional


def is_pixelsnail(spec: VariantSpec) -> bool:
    """Convolutions and attention in turn, not told the label."""
    return spec.model == "pixelsnail" and not spec.conditional


def is_pixelcnn_pp(spec: VariantSpec) -> bool:
    """Two streams with short-cuts, not told the label."""
    return spec.model == "pixelcnn_pp" and not spec.conditional


def is_gated(spec: VariantSpec) -> bool:
    """Two gated stacks, not told the label."""
    return spec.model == "gated" and not spec.conditional


def is_deeper(subject: VariantSpec, other: VariantSpec) -> bool:
    """The same architecture, options and number of parameters with more blocks, so narrower ones.

    The recipe may be another.
    """
    return _said(subject, "blocks") > _said(other, "blocks") > 0 and _alike(subject, other, "blocks")


def is_strided(subject: VariantSpec, other: VariantSpec) -> bool:
    """The same architecture and number of parameters with resolutions where the other has only one.

    Depth, width and recipe may be others.
    """
    own, others = _said(subject, "resolutions"), _said(other, "resolutions")
    return own > others == 1 and _alike(subject, other, "resolutions", "blocks")


def is_dilated(spec: VariantSpec) -> bool:
    """A network whose hyper-parameters spread its taps, not told the label."""
    return _has_dilations(spec) and not spec.conditional


def is_conditional(spec: VariantSpec) -> bool:
    """Any network that is told the label."""
    return spec.conditional


def is_twin(subject: VariantSpec, other: VariantSpec) -> bool:
    """The same network and recipe without the label, and without what tells it the label.

    With `match_parameters` both are to be of one size, by whatever widths.
    """
    one, two = (_without(spec, *LABEL_ONLY) for spec in (subject, other))
    return two == replace(one, conditional=False)


def _said(spec: VariantSpec, key: str) -> int:
    """A hyper-parameter that is a positive whole number; else 0."""
    value = spec.hyperparameters.get(key)
    return value if type(value) is int else 0


def _alike(one: VariantSpec, two: VariantSpec, *but: str) -> bool:
    """Whether two networks of one `match_parameters` differ in these hyper-parameters and the recipe alone.

    Without it the one with more blocks or resolutions would be the larger one, too.
    """
    first, second = (replace(_without(spec, *but), training={}) for spec in (one, two))
    return one.match_parameters is not None and first == second


def _without(spec: VariantSpec, *keys: str) -> VariantSpec:
    """A variant that does not say these hyper-parameters."""
    return replace(
        spec, hyperparameters={key: value for key, value in spec.hyperparameters.items() if key not in keys}
    )


def other_is(chosen: Callable[[VariantSpec], bool]) -> Callable[[VariantSpec, VariantSpec], bool]:
    """An `against`: the other variant is chosen by itself, among those with the subject's likelihood."""
    return lambda subject, other: other.likelihood == subject.likelihood and chosen(other)


def _has_dilations(spec: VariantSpec) -> bool:
    dilations = spec.hyperparameters.get("dilations")
    return isinstance(dilations, (list, tuple)) and any(dilation != 1 for dilation in dilations)
