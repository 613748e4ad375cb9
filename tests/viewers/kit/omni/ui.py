"""`omni.ui`: widgets that take only what they have, in a tree that tests look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_open: list[Widget] = []


class Widget:
    __slots__ = ("children", "height", "tooltip", "visible", "width")

    def __init__(self, *, width: float = 0, height: float = 0, tooltip: str = "", visible: bool = True) -> None:
        self.width, self.height, self.tooltip, self.visible = width, height, tooltip, visible
        self.children: list[Widget] = []
        if _open:
            _open[-1].children.append(self)

    def find(self, kind: type[Widget]) -> list[Any]:
        """Return all below of one kind; for tests, Kit's has no such method."""
        return [one for child in self.children for one in ([child] if isinstance(child, kind) else []) + child.find(kind)]


class Container(Widget):
    __slots__ = ()

    def __enter__(self) -> Self:
        _open.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert _open.pop() is self

    def clear(self) -> None:
        self.children.clear()


class _Stack(Container):
    __slots__ = ("spacing",)

    def __init__(self, *, spacing: float = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spacing = spacing


class VStack(_Stack):
    __slots__ = ()


class HStack(_Stack):
    __slots__ = ()


class Frame(Container):
    __slots__ = ()


class ScrollingFrame(Frame):
    __slots__ = ()


class Label(Widget):
    __slots__ = ("text", "word_wrap")

    def __init__(self, text: str, *, word_wrap: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text, self.word_wrap = text, word_wrap


class Button(Widget):
    __slots__ = ("_clicked", "text")

    def __init__(self, text: str = "", *, clicked_fn: Callable[[], None] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text, self._clicked = text, clicked_fn

    def call_clicked_fn(self) -> None:
        if self._clicked is not None:
            self._clicked()


class AbstractValueModel:
    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def set_value(self, value: bool | float | str) -> None:  # noqa: FBT001
        self._value = value

    def get_value_as_string(self) -> str:
        return str(self._value)

    def get_value_as_bool(self) -> bool:
        return bool(self._value)


class StringField(Widget):
    __slots__ = ("model",)

    def __init__(self, model: AbstractValueModel | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model or AbstractValueModel("")


class CheckBox(Widget):
    __slots__ = ("model",)

    def __init__(self, model: AbstractValueModel | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model or AbstractValueModel(False)


class Window:
    __slots__ = ("frame", "height", "title", "visible", "width")

    shown: list[Window] = []
    """Windows that exist, for tests."""

    def __init__(self, title: str, *, width: float = 0, height: float = 0, visible: bool = True) -> None:
        self.title, self.width, self.height, self.visible = title, width, height, visible
        self.frame = Frame()
        Window.shown.append(self)

    def destroy(self) -> None:
        Window.shown.remove(self)
