"""What an image is: data sets, the network and its factor, and how good samples are."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
