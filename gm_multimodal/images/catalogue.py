"""What configurations of images may name."""

from types import MappingProxyType
from typing import Final

from gm_multimodal.training.catalogue import GENERAL, Catalogue, Entry, catalogue

_UNET = {
    "shape": (1, 1024),
    "outputs": (1, 16384),
    "widths": (1, 4096),
    "blocks": (1, 32),
    "attention": (0, 1024),
    "heads": (1, 128),
}
_PIXELS = {"shape": (1, 1024), "levels": (2, 65536), "bins": (2, 4096)}
_ENTRIES = (Entry("images.unet:UNet", _UNET), Entry("images.product:Pixels", _PIXELS))

CATALOGUE: Final[Catalogue] = MappingProxyType({**GENERAL, **catalogue(_ENTRIES)})
"""What files say -> entry."""
