"""What a command tells the process before it imports anything heavy: a third of a second less until it works."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}
"""NumPy's linear algebra starts a thread for every core, which spin while the rest is imported; twind multiplies no large
matrices. Pydantic looks for plug-ins in every distribution that is installed; settings have none."""


def prepare() -> None:
    """Leave out what libraries do at their import for programs of other kinds. What the user has set stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import what needs NumPy within the block: no garbage is collected in it, nor looked for later in what it made.

    NumPy comes first, as pydantic brings `typing_extensions`, which makes the many types that NumPy defines six times as slow.
    """
    gc.disable()
    try:
        import numpy as np  # noqa: F401

        yield
    finally:
        gc.freeze()
        gc.enable()
