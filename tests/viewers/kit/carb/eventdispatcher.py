"""`carb.eventdispatcher`: an observer is called as long as its guard is kept."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Event:
    __slots__ = ("event_name", "payload")

    def __init__(self, event_name: str, payload: dict[str, Any]) -> None:
        self.event_name = event_name
        self.payload = payload


class ObserverGuard:
    __slots__ = ("__weakref__", "_finalizer")

    def __init__(self, finalizer: Any) -> None:
        self._finalizer = finalizer

    def reset(self) -> None:
        self._finalizer()


class IEventDispatcher:
    __slots__ = ("_observers",)

    def __init__(self) -> None:
        self._observers: dict[int, tuple[int, str, Callable[[Event], None]]] = {}

    def observe_event(
        self,
        *,
        order: int = 0,
        event_name: str,
        on_event: Callable[[Event], None],
        filter: dict[str, Any] | None = None,  # noqa: A002
        observer_name: str = "",
    ) -> ObserverGuard:
        assert isinstance(event_name, str)
        assert isinstance(observer_name, str)
        assert callable(on_event)
        assert filter is None
        key = max(self._observers, default=0) + 1
        self._observers[key] = (order, event_name, on_event)
        guard = ObserverGuard(None)
        guard._finalizer = weakref.finalize(guard, self._observers.pop, key, None)
        guard._finalizer.atexit = False
        return guard

    def dispatch_event(self, event_name: str, payload: dict[str, Any] | None = None) -> int:
        called = 0
        for _, name, handler in sorted(self._observers.values(), key=lambda one: one[0]):
            if name == event_name:
                handler(Event(name, payload or {}))
                called += 1
        return called


_THE = IEventDispatcher()


def get_eventdispatcher() -> IEventDispatcher:
    return _THE
