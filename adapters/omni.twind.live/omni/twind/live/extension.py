"""What Omniverse Kit starts and stops: the one file that touches `omni` and `carb`. It decides nothing; `viewer.py` does.

Kit calls everything in here on its main thread, which is the one that owns USD.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import carb
import carb.eventdispatcher
import carb.settings
import omni.ext
import omni.kit.app
import omni.usd
from omni import ui

from .entities import at_or_around
from .options import PREFIX, Options
from .usd_sink import UsdSink
from .viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .frames import Catalogue
    from .viewer import Readout, Sink

_TITLE = "twind live"
_NAME = "omni.twind.live"
_MAX_ROWS = 200
"""Entities that the window lists; all of them move."""
_FIGURES_S = 0.2
"""How often figures change in the window, so that they can be read [s]; the status changes at once."""


class TwindLiveExtension(omni.ext.IExt):
    """Shows a running twind daemon in the stage that is open."""

    def on_startup(self, ext_id: str) -> None:
        """Begin: called by Kit."""
        del ext_id
        self._settings = carb.settings.get_settings()
        self._context = omni.usd.get_context()
        self._viewer = Viewer(_sink)
        self._wants_stage = False
        self._window: _Window | None = None
        options = self._options()
        if options is not None and options.window:
            self._window = _Window(options.address, self._toggle, self._open_stage, self._select)
        self._guards = [
            self._observe(omni.kit.app.GLOBAL_EVENT_UPDATE, self._on_update),
            self._observe(self._context.stage_event_name(omni.usd.StageEventType.OPENED), self._on_opened),
            self._observe(self._context.stage_event_name(omni.usd.StageEventType.CLOSING), self._on_closing),
        ]
        if self._context.get_stage_state() == omni.usd.StageState.OPENED:
            self._viewer.stage_opened(self._context.get_stage())
        if options is not None and options.connect_at_start:
            self._connect(options)

    def on_shutdown(self) -> None:
        """End, with nothing of ours left in the stage: called by Kit."""
        self._guards = []
        self._viewer.close()
        if self._window is not None:
            self._window.destroy()
            self._window = None

    def _observe(self, name: str, handler: Callable[[Any], None]) -> Any:
        """Return the guard of an observer, which goes when the guard does."""
        return carb.eventdispatcher.get_eventdispatcher().observe_event(
            event_name=name, on_event=handler, observer_name=f"{_NAME}.{handler.__name__}"
        )

    # What Kit says.

    def _on_update(self, _event: Any) -> None:
        self._viewer.update()
        if self._wants_stage and self._viewer.stage_url:
            self._wants_stage = False
            if self._context.is_new_stage() and not self._context.has_pending_edit():
                self._open_stage()
        if self._window is not None:
            self._window.show(self._viewer.readout(), self._selected(), connected=self._viewer.connected)

    def _on_opened(self, _event: Any) -> None:
        self._viewer.stage_opened(self._context.get_stage())

    def _on_closing(self, _event: Any) -> None:
        self._viewer.stage_closing()

    # What the user wants.

    def _toggle(self, address: str) -> None:
        if self._viewer.connected:
            self._viewer.disconnect()
            return
        self._settings.set(f"{PREFIX}address", address)
        options = self._options()
        if options is not None:
            self._connect(options)

    def _connect(self, options: Options) -> None:
        self._viewer.connect(options)
        self._wants_stage = options.open_stage

    def _open_stage(self) -> None:
        url = self._viewer.stage_url
        if not url:
            carb.log_warn(f"[{_NAME}] connect first: the daemon says where its stage is")
        elif self._context.has_pending_edit():
            carb.log_warn(f"[{_NAME}] save or discard your changes first: opening {url} would lose them")
        else:
            self._context.open_stage_with_callback(url, self._on_open_finished)

    def _on_open_finished(self, success: bool, message: str) -> None:  # noqa: FBT001  (Kit calls it so)
        if not success:
            carb.log_error(f"[{_NAME}] the stage of the daemon cannot be opened: {message}")

    def _select(self, prim: str) -> None:
        self._context.get_selection().set_selected_prim_paths([prim], True)

    def _selected(self) -> list[str]:
        selected: list[str] = self._context.get_selection().get_selected_prim_paths()
        return selected

    def _options(self) -> Options | None:
        try:
            return Options.read(self._settings.get)
        except ValueError as error:
            carb.log_error(f"[{_NAME}] {error}")
            return None


class _Window:
    """Address, state, and what is known of each entity."""

    def __init__(
        self,
        address: str,
        on_toggle: Callable[[str], None],
        on_open: Callable[[], None],
        on_select: Callable[[str], None],
    ) -> None:
        self._on_select = on_select
        self._rows: dict[str, tuple[Any, Any, Any]] = {}
        """By id of an entity: its row, and the labels of its quality and age."""
        self._figures_s = 0.0
        self._window = ui.Window(_TITLE, width=420, height=360)
        with self._window.frame, ui.VStack(spacing=4):
            with ui.HStack(height=24, spacing=4):
                self._address = ui.StringField(tooltip="Address of the daemon, http://HOST:PORT")
                self._address.model.set_value(address)
                self._button = ui.Button(
                    "Connect", width=90, clicked_fn=lambda: on_toggle(self._address.model.get_value_as_string())
                )
            self._status = ui.Label("not connected", height=20, word_wrap=True)
            self._figures = ui.Label("", height=20)
            with ui.HStack(height=24, spacing=4):
                self._follow = ui.CheckBox(width=20, tooltip="List only what is selected in the stage")
                ui.Label("Follow selection")
                ui.Button("Open the stage", width=120, clicked_fn=on_open)
            with ui.ScrollingFrame():
                self._list = ui.VStack(height=0)

    def destroy(self) -> None:
        """Remove it."""
        self._window.destroy()

    def show(self, readout: Readout, selected: list[str], *, connected: bool) -> None:
        """Show how it goes."""
        _set_text(self._status, readout.status)
        _set_text(self._button, "Disconnect" if connected else "Connect")
        now_s = time.monotonic()
        if now_s - self._figures_s < _FIGURES_S:
            return
        self._figures_s = now_s
        _set_text(self._figures, readout.figures())
        shown = readout.entities[:_MAX_ROWS]
        if list(self._rows) != [one.id for one in shown]:
            self._build(readout)
        wanted = {one.id for one in at_or_around(shown, selected)} if self._follow.model.get_value_as_bool() else None
        for one in shown:
            row, quality, age = self._rows[one.id]
            row.visible = wanted is None or one.id in wanted
            _set_text(quality, readout.quality(one))
            _set_text(age, readout.age(one))

    def _build(self, readout: Readout) -> None:
        self._rows.clear()
        self._list.clear()
        with self._list:
            for one in readout.entities[:_MAX_ROWS]:
                row = ui.HStack(height=20, spacing=4)
                with row:
                    ui.Button(one.id, clicked_fn=lambda prim=one.prim: self._on_select(prim))
                    self._rows[one.id] = (row, ui.Label("", width=80), ui.Label("", width=80))


def _set_text(widget: Any, text: str) -> None:
    if widget.text != text:  # a widget that is told what it shows already is drawn anew all the same
        widget.text = text


def _sink(catalogue: Catalogue, options: Options) -> Sink:
    if options.fabric:
        from .fabric_sink import FabricSink  # usdrt is loaded only where it is wanted

        return FabricSink(catalogue)
    return UsdSink(catalogue)
