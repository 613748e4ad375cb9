"""`omni.usd`: one context with at most one stage, and the events of its life."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from carb.eventdispatcher import get_eventdispatcher
from pxr import Usd, UsdUtils

if TYPE_CHECKING:
    from collections.abc import Callable


class StageEventType(enum.IntEnum):
    SAVED = 0
    OPENING = 2
    OPENED = 3
    OPEN_FAILED = 4
    CLOSING = 5
    CLOSED = 6
    SELECTION_CHANGED = 7


class StageState(enum.IntEnum):
    CLOSED = 0
    OPENING = 1
    OPENED = 2
    CLOSING = 3


class UsdContextInitialLoadSet(enum.IntEnum):
    LOAD_ALL = 0
    LOAD_NONE = 1


class Selection:
    __slots__ = ("_paths",)

    def __init__(self) -> None:
        self._paths: list[str] = []

    def get_selected_prim_paths(self) -> list[str]:
        return [*self._paths]

    def set_selected_prim_paths(self, paths: list[str], expandInStage: bool = True) -> bool:  # noqa: N803, FBT001, FBT002
        assert isinstance(expandInStage, bool)
        changed, self._paths = self._paths != paths, [*paths]
        return changed


class UsdContext:
    __slots__ = ("_new", "_pending", "_selection", "_stage", "_state", "opened")

    def __init__(self) -> None:
        self._stage: Any = None
        self._state = StageState.CLOSED
        self._selection = Selection()
        self._pending = False
        self._new = True
        self.opened: dict[str, Any] = {}
        """What URLs resolve to, for tests: stages by URL."""

    def stage_event_name(self, event: StageEventType) -> str:
        assert isinstance(event, StageEventType)
        return f"omni.usd:stage:{event.name.lower()}"

    def get_stage(self) -> Any:
        return self._stage

    def get_stage_state(self) -> StageState:
        return self._state

    def get_stage_url(self) -> str:
        return self._stage.GetRootLayer().identifier if self._stage else ""

    def get_selection(self) -> Selection:
        return self._selection

    def is_new_stage(self) -> bool:
        return self._new

    def has_pending_edit(self) -> bool:
        return self._pending

    def set_pending_edit(self, arg0: bool) -> None:  # noqa: FBT001
        self._pending = arg0

    def new_stage(self, on_finish_fn: Callable[[bool, str], None] | None = None) -> bool:
        self._open(Usd.Stage.CreateInMemory())
        self._new = True
        if on_finish_fn is not None:
            on_finish_fn(True, "")
        return True

    async def new_stage_async(self) -> tuple[bool, str]:
        return self.new_stage(), ""

    def open_stage_with_callback(
        self,
        url: str,
        on_finish_fn: Callable[[bool, str], None],
        load_set: UsdContextInitialLoadSet = UsdContextInitialLoadSet.LOAD_ALL,
    ) -> bool:
        assert isinstance(load_set, UsdContextInitialLoadSet)
        if url not in self.opened:
            on_finish_fn(False, f"cannot resolve {url}")
            return False
        self._open(self.opened[url])
        self._new = False
        on_finish_fn(True, "")
        return True

    def close_stage(self, on_finish_fn: Callable[[bool, str], None] | None = None) -> bool:
        if self._stage is not None:
            self._state = StageState.CLOSING
            self._tell(StageEventType.CLOSING)
            self._stage, self._state = None, StageState.CLOSED
            self._tell(StageEventType.CLOSED)
        if on_finish_fn is not None:
            on_finish_fn(True, "")
        return True

    def _open(self, stage: Any) -> None:
        self.close_stage()
        self._state = StageState.OPENING
        self._tell(StageEventType.OPENING)
        UsdUtils.StageCache.Get().Insert(stage)  # and there it stays until the test is over, for tests look at it
        self._stage, self._state = stage, StageState.OPENED
        self._tell(StageEventType.OPENED)

    def _tell(self, event: StageEventType) -> None:
        get_eventdispatcher().dispatch_event(self.stage_event_name(event))


_THE = UsdContext()


def get_context(name: str = "") -> UsdContext:
    assert not name
    return _THE
