"""Mixed precision with an optimiser whose step is one kernel."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import final

import torch
from lightning.pytorch.plugins.precision import Precision

BFLOAT16 = "bf16-mixed"


@final
class BFloat16(Precision):
    """Single precision, as Lightning sees it, with autocast in bfloat16 around every step.

    Its own plugin for mixed precision clips no gradients of a fused optimiser, because with float16 that unscales them
    itself. With bfloat16 nothing is scaled.
    """

    @contextmanager
    def forward_context(self) -> Generator[None, None, None]:
        """Compute in bfloat16, on whatever device the tensors are, with weights of single precision."""
        # No cache: in older PyTorch a weight cast by the call without gradient serves the next, and gets none.
        gpu = torch.autocast("cuda", torch.bfloat16, torch.cuda.is_available(), cache_enabled=False)
        with gpu, torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            yield
