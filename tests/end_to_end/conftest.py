"""A daemon as a process of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[[dict[str, Any] | str], Daemon]]:
    """Start `twind run` with a configuration of one's own; what still runs at the end of the test is killed."""
    with ExitStack() as stack:
        yield lambda configuration: stack.enter_context(Daemon(tmp_path / "daemon", configuration))
