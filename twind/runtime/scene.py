"""What the stage looks like, as glTF: made once, when somebody first asks, in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.model.stage_file import StageFile
from twind.runtime.http.views import NotNowError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_WITHIN_S = 300.0
"""How long it may take [s]; a stage of 100,000 prims takes about 10."""
_SHOWN = 2000
"""Characters of an error that are passed on."""


@dataclass(slots=True)
class SceneCopy:
    """Belongs to the event loop. Those who ask while it is made wait for the same one; a failure is told, and tried again."""

    root: str
    """Path or URL of the user's root layer."""
    live_layer: Callable[[], Awaitable[bytes]]
    """Returns the live layer as `.usda`."""
    _made: StageFile | None = None
    _making: asyncio.Task[StageFile] | None = None

    async def get(self) -> StageFile:
        """Return the scene.

        Raises:
            NotNowError: It cannot be made.
        """
        if self._made is None:
            if self._making is None:
                self._making = asyncio.create_task(self._make(), name="make the scene")
                self._making.add_done_callback(self._done)
            return await asyncio.shield(self._making)  # who leaves does not take it from the others
        return self._made

    def _done(self, task: asyncio.Task[StageFile]) -> None:
        self._making = None
        if not task.cancelled() and task.exception() is None:
            self._made = task.result()

    async def _make(self) -> StageFile:
        live = await self.live_layer()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "twind.stage.scene", self.root),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_WITHIN_S):
                data, said = await process.communicate(live)
        except TimeoutError as error:
            raise NotNowError(f"the scene of {self.root} was not made within {_WITHIN_S:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            why = said.decode(errors="replace").strip()[-_SHOWN:]
            raise NotNowError(f"the scene of {self.root} cannot be made: {why or f'exit code {process.returncode}'}")
        return StageFile.holding(data)

    async def aclose(self) -> None:
        """Stop making it."""
        making = self._making
        if making is not None:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
