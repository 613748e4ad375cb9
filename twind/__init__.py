"""twind: a live digital twin runtime.

Importing this package is cheap on purpose: nothing heavy (pxr, numba, paho, azure) is loaded until it is used.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
