"""Settings of the sink `foxglove`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from twind.api import NoticeSettings, is_loopback, parse_address


class FoxgloveSettings(NoticeSettings):
    """Serves the twin to Foxglove (`Open connection`, `Foxglove WebSocket`): `/tf`, `/ENTITY/joint_states`, `/diagnostics`."""

    type: Literal["foxglove"]
    """Name of the adapter."""
    listen: str = "127.0.0.1:8765"
    """ADDRESS:PORT to listen on; port 0 takes a free one."""
    auth: Literal["none"] | None = None
    """Foxglove's protocol knows no authentication: on an address that others can reach, `none` must be written out."""
    state_hz: Annotated[float, Field(gt=0, le=60)] = 20.0
    """How often the state of an entity that changed is shown at most [Hz]."""
    backlog: Annotated[int, Field(ge=16, le=65_536)] = 256
    """Messages that may wait for one client; a slower one loses the oldest."""
    world_frame: Annotated[str, Field(min_length=1)] = "world"
    """Name of the frame that everything stands in; every other frame is named by its prim."""

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        host, _ = parse_address(self.listen)
        if not is_loopback(host) and self.auth != "none":
            msg = "others than this machine can reach `listen`: write `auth: none` to leave it open to them"
            raise ValueError(msg)
        return self
