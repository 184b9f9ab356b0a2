"""What trunks read of sites beside the state, by name; apart from them, so that data need no network to speak of it."""

from typing import Final

INDEX: Final = "index"
"""Position of a site along its chain, int64 [B, N]."""

CHAIN: Final = "chain"
"""Number of the chain of a site, int64 [B, N]."""
