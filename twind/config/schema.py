"""JSON Schema of the configuration, installed adapters included, for editors that complete and check YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from twind.config.docstrings import description
from twind.config.settings import FolderSettings, Settings
from twind.model.errors import MissingExtraError, PermanentError

if TYPE_CHECKING:
    from pydantic_core import core_schema

    from twind.config.base import SettingsModel
    from twind.config.registry import Group, Registry

Schema = dict[str, Any]
_PLACEHOLDER: Schema = {"type": "string", "pattern": r"\$\{"}
"""A number or truth value may also be written as text that holds a placeholder."""


class _Described(GenerateJsonSchema):
    """Accepts a placeholder wherever a number or a truth value is, and says what each setting means."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        """Describe a settings class and its fields."""
        described = super().model_schema(schema)
        model: type[SettingsModel] = schema["cls"]
        for name, field in described.get("properties", {}).items():
            meaning = description(model, name)
            described["properties"][name] = {"description": meaning, **field} if meaning else field
        return described

    def float_schema(self, schema: core_schema.FloatSchema) -> Schema:
        return {"anyOf": [super().float_schema(schema), _PLACEHOLDER]}

    def int_schema(self, schema: core_schema.IntSchema) -> Schema:
        return {"anyOf": [super().int_schema(schema), _PLACEHOLDER]}

    def bool_schema(self, schema: core_schema.BoolSchema) -> Schema:
        return {"anyOf": [super().bool_schema(schema), _PLACEHOLDER]}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> Schema:
        """Describe one of a few values, or a placeholder for one that is no text."""
        described = super().literal_schema(schema)
        only_text = all(isinstance(value, str) for value in schema["expected"])
        return described if only_text else {"anyOf": [described, _PLACEHOLDER]}


def usable_settings(group: Group[Any]) -> dict[str, type[SettingsModel]]:
    """Return the settings classes of the adapters whose packages are installed, by name."""
    found: dict[str, type[SettingsModel]] = {}
    for name in group.names:
        try:
            found[name] = group.load(name).settings
        except (MissingExtraError, PermanentError):
            continue  # `twind check` names the cure as soon as a configuration asks for it
    return found


def json_schema(registry: Registry) -> Schema:
    """Return the JSON Schema of a configuration file."""
    adapters = {"sources": usable_settings(registry.sources), "sinks": usable_settings(registry.sinks)}
    hand_overs: dict[str, type[SettingsModel]] = {"folder": FolderSettings, **usable_settings(registry.hand_overs)}
    groups = (*adapters.values(), hand_overs)
    models: list[type[SettingsModel]] = [Settings, *(model for group in groups for model in group.values())]
    references, schema = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/$defs/{model}",
        schema_generator=_Described,
        title="twind configuration",
    )
    root = schema["$defs"].pop(references[Settings, "validation"]["$ref"].rpartition("/")[2])
    of_restart = schema["$defs"]["RestartSettings"]["properties"]["hand_over"]
    of_restart["anyOf"] = [*[references[model, "validation"] for model in hand_overs.values()], {"type": "null"}]
    for part, group in adapters.items():
        root["properties"][part]["additionalProperties"] = (
            {"oneOf": [references[model, "validation"] for model in group.values()]} if group else False
        )
        for name, model in group.items():
            reference = references[model, "validation"]["$ref"].rpartition("/")[2]
            required = schema["$defs"][reference].setdefault("required", [])
            schema["$defs"][reference]["properties"]["type"] = {"const": name, "title": "Type"}
            required += [] if "type" in required else ["type"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **root}
