"""Generator Matching over product spaces: proteins designed as backbone and sequence together.

Importing the package costs nothing: every subpackage is imported where it is used.
"""

__version__ = "0.1.0"
