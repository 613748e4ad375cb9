"""The settings in effect, as YAML that could be loaded again, apart from the secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import SecretStr

from twind.config.base import MASK, SettingsModel
from twind.config.tree import Scalar
from twind.model.routes import TopicPattern

if TYPE_CHECKING:
    from twind.config.load import Loaded
    from twind.config.marks import SettingPath

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@")
_PRIVATE = frozenset({"file", "cred"})
"""What comes from these placeholders is kept out of the configuration on purpose, whatever the setting is."""


def effective_yaml(loaded: Loaded) -> str:
    """Return all settings, defaults included; secrets, and what came from `${file:}` and `${cred:}`, print as `********`."""
    text: str = yaml.safe_dump(_shown(loaded.settings, loaded, ()), sort_keys=False, allow_unicode=True, width=128)
    return text


def _shown(value: Any, loaded: Loaded, at: SettingPath) -> Any:
    node = loaded.marks.node(at)
    if isinstance(value, SecretStr) or (isinstance(node, Scalar) and node.origin & _PRIVATE):
        return MASK
    if isinstance(value, SettingsModel):
        return {name: _shown(getattr(value, name), loaded, (*at, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(key): _shown(item, loaded, (*at, key)) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_shown(item, loaded, (*at, index)) for index, item in enumerate(value)]
    return _leaf(value)


def _leaf(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value.text if isinstance(value, TopicPattern) else str(value)
    return _PASSWORD_IN_URL.sub(rf"\1:{MASK}@", text)
