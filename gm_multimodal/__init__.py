"""Generator Matching over product spaces: proteins designed as backbone and sequence together.

    import gm_multimodal as gm

    designs = gm.design(length=80, num_designs=4)  # proteins
    process = gm.Flow(gm.GaussianPath(gm.Euclidean(2)))  # or anything else: see docs/tutorials

Every public name is listed in `__init__.pyi`, and imported when it is first asked for.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
