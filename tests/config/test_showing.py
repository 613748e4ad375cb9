"""What is printed about settings: the ones in effect, their schema, their reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from twind.config.reference import reference
from twind.config.registry import Registry
from twind.config.schema import json_schema
from twind.config.show import effective_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.config.load import Loaded

STAGE = "stage: {root: /cell.usda}\n"
SOURCE = "sources:\n  floor:\n    type: fake\n    routes: [{topic: 'cell/{entity}', codec: pose}]\n"


def test_secrets_and_what_came_from_files_print_as_asterisks(load_texts: Callable[..., Loaded], tmp_path: Path) -> None:
    (tmp_path / "s").write_text("hunter2")
    text = STAGE + "instance: ${file:s}\nhttp: {token: hunter2}\n" + SOURCE + (
        "    password: ${env:P}\n    url: fake://user:hunter2@${env:HOST}\n"
    )  # fmt: skip
    loaded = load_texts(text, environment={"P": "hunter2", "HOST": "broker"})
    printed = effective_yaml(loaded)
    shown = yaml.safe_load(printed)
    assert "hunter2" not in printed + repr(loaded.settings.http)
    assert "marks" not in repr(loaded)  # they know what stands in the files
    assert (shown["instance"], shown["http"]["token"], shown["sources"]["floor"]["password"]) == ("********",) * 3
    assert shown["sources"]["floor"]["url"] == "fake://user:********@broker"


def test_what_is_printed_can_be_loaded_and_prints_the_same(load_texts: Callable[..., Loaded]) -> None:
    printed = effective_yaml(load_texts(STAGE + SOURCE))
    assert effective_yaml(load_texts(printed.replace("state_dir: state\n", ""))) == printed


def test_the_schema_knows_the_installed_adapters(registry: Registry) -> None:
    schema = json_schema(registry)
    (reference_,) = schema["properties"]["sources"]["additionalProperties"]["oneOf"]
    fake = schema["$defs"][reference_["$ref"].rpartition("/")[2]]
    assert fake["properties"]["type"]["const"] == "fake"
    assert set(fake["required"]) == {"type", "routes"}
    assert schema["properties"]["sinks"]["additionalProperties"] is False
    assert schema["required"] == ["stage"]


def test_the_schema_accepts_placeholders_for_numbers(registry: Registry) -> None:
    rate: dict[str, Any] = json_schema(registry)["$defs"]["StageSettings"]["properties"]["rate_hz"]
    assert {"type": "string", "pattern": r"\$\{"} in rate["anyOf"]


def test_every_setting_is_documented(registry: Registry) -> None:
    undocumented = [line for line in reference(registry).splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert undocumented == []


def test_the_reference_in_the_docs_is_the_generated_one() -> None:
    pytest.importorskip("twind_mqtt", reason="the reference includes the MQTT adapter's settings", exc_type=ImportError)
    page = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
    assert page.read_text(encoding="utf-8") == reference(Registry.installed()), "run `make docs`"
