"""`omni.kit.app`: an application that is updated by hand."""

from __future__ import annotations

import asyncio

from carb.eventdispatcher import get_eventdispatcher

GLOBAL_EVENT_UPDATE = "omni.kit.app:update"


class IApp:
    __slots__ = ()

    def update(self) -> None:
        get_eventdispatcher().dispatch_event(GLOBAL_EVENT_UPDATE, {"dt": 1 / 60})

    async def next_update_async(self) -> float:
        await asyncio.sleep(0.01)
        self.update()
        return 1 / 60


_THE = IApp()


def get_app() -> IApp:
    return _THE
