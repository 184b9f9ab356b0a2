"""Whether points, masks and times are those of a product: refused before anything is drawn."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gm_multimodal.errors import expect, listed
from gm_multimodal.product import Factor, Known, Product
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.base import Manifold
from gm_multimodal.spaces.categorical import Categorical, MaskedCategorical


def check_known(product: Product, known: Known, *, everywhere: bool) -> None:
    """Refuse what is known if it is not of a product's points at the sites.

    Args:
        product: the factors.
        known: what is given.
        everywhere: whether clean points of every factor are read, or those of given sites alone.

    Raises:
        ValueError: names, shapes or types differ; naming both.
    """
    if not product:
        raise ValueError("the product has no factors: give one or more, by their names.")
    for what, given in {"values are": known.values, "a mask is": known.mask, "draws are": known.drawn}.items():
        if unknown := [name for name in given if name not in product]:
            raise ValueError(f"{what} given of {listed(unknown)}, but the factors are {listed(product)}.")
    for name, factor in product.items():
        expect("a product", name, factor, Factor)
        if name in known.mask:
            _check_mask(name, known.mask[name], known.sites)
        if name in known.values:
            check_points(name, factor, known.values[name], known.sites)
        elif everywhere or (name in known.mask and known.mask[name].any()):
            raise ValueError(f"values of {name} are missing: they are given of {listed(known.values)}.")
        if name in known.drawn:
            _check_mask(name, known.drawn[name].sites, known.sites)
            check_points(name, factor, known.drawn[name].points, known.sites)


def check_points(name: str, factor: Factor, points: Tensor, sites: Sites | None) -> None:
    """Refuse what are not points of a factor at the sites, or at any sites [B, N].

    Raises:
        ValueError: the shape or the type differs; naming both.
    """
    space, got = factor.process.path.space, tuple(points.shape)
    event = space.event_shape
    if points.ndim != 2 + len(event) or got[2:] != event:
        wanted = ", ".join(("B", "N", *map(str, event)))
        raise ValueError(
            f"points of {name} have the shape {got}, but those of {space} have the shape ({wanted}): B samples of "
            "N sites, N = 1 where a sample is one point."
        )
    if sites is not None and got[:2] != tuple(sites.present.shape):
        raise ValueError(f"points of {name} are at sites {got[:2]}, but the sites are {tuple(sites.present.shape)}.")
    if isinstance(space, Categorical | MaskedCategorical) and points.is_floating_point():
        raise ValueError(f"points of {name} are {points.dtype}, but those of {space} are integers.")
    if isinstance(space, Manifold) and not points.is_floating_point():
        raise ValueError(f"points of {name} are {points.dtype}, but those of {space} are real numbers.")


def _check_mask(name: str, mask: Tensor, sites: Sites) -> None:
    wanted = tuple(sites.present.shape)
    if mask.dtype != torch.bool or tuple(mask.shape) != wanted:
        raise ValueError(f"the mask of {name} is {mask.dtype} {tuple(mask.shape)}, but the sites are bool {wanted}.")


def check_times(product: Product, times: Mapping[str, Tensor], sites: Sites) -> None:
    """Refuse times that are not one for every factor, or do not broadcast to the sites.

    Raises:
        ValueError: naming both.
    """
    if set(times) != set(product):
        raise ValueError(f"times are given of {listed(times)}, but the factors are {listed(product)}.")
    wanted = tuple(sites.present.shape)
    for name, t in times.items():
        # [B] would broadcast along the sites wherever there are as many of them as rows.
        fits = t.ndim in (0, 2) and all(n in (1, m) for n, m in zip(t.shape, wanted, strict=False))
        if not fits:
            raise ValueError(
                f"times of {name} have the shape {tuple(t.shape)}, which does not broadcast to the sites {wanted}: "
                "give [B, N], or [B, 1] for one time in each row."
            )


def check_clean(product: Product, known: Known, *, everywhere: bool) -> None:
    """Refuse values that are not clean points of their spaces: not finite, out of range, or hidden behind the mask.

    Args:
        product: the factors.
        known: what is given, with the shapes of the product.
        everywhere: whether values count at all sites, or at given ones alone.

    Raises:
        ValueError: showing such a point and the space.
    """
    for name, x in known.values.items():
        space = product[name].process.path.space
        counts = known.sites.present if everywhere else known.sites.present & ~known.free(name)
        is_clean = space.contains(x, tolerance=1e-3)
        if isinstance(space, MaskedCategorical):
            is_clean = is_clean & (x != space.mask)
        wrong = x[counts & ~is_clean]
        if len(wrong):
            raise ValueError(f"{len(wrong)} points of {name} are not data in {space}, such as {wrong[0].tolist()}.")
