"""Generator Matching over product spaces: proteins designed as backbone and sequence together.

    import gm_multimodal
    designs = gm_multimodal.design(length=80, num_designs=4)
    designs.structures, designs.table

Importing the package costs nothing: every subpackage is imported where it is used.
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `design` when it is first asked for."""
    if name == "design":
        from gm_multimodal.app.api import design

        return design
    raise AttributeError(f"module 'gm_multimodal' has no attribute {name!r}")
