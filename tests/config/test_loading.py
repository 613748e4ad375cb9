"""What a configuration that is right becomes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from twind.config.document import parse
from twind.config.merge import merge
from twind.config.tree import Table, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.config.load import Loaded

    LoadTexts = Callable[..., Loaded]

STAGE = "stage: {root: cell.usda}\n"
SOURCE = "sources:\n  floor:\n    type: fake\n    routes: [{topic: 'cell/{entity}', codec: pose}]\n"


def test_settings_come_with_their_defaults_and_their_adapters_settings(load_texts: LoadTexts) -> None:
    settings = load_texts(STAGE + SOURCE + "    port: 8883\n").settings
    source: Any = settings.sources["floor"]
    assert settings.stage.rate_hz == 30.0
    assert (source.type, source.port, source.url) == ("fake", 8883, "fake://floor")
    assert source.routes[0].topic.match("cell/arm") == {"entity": "arm"}


def test_later_files_win_key_by_key_and_lists_as_a_whole(load_texts: LoadTexts) -> None:
    later = "sources: {floor: {routes: [{topic: '{entity}', codec: joint_state}], qos: 0}}\nlog: {level: debug}\n"
    settings = load_texts(STAGE + "log: {format: json, level: error}\n" + SOURCE, later).settings
    source: Any = settings.sources["floor"]
    assert (settings.log.format, settings.log.level) == ("json", "debug")
    assert (source.type, source.qos, [route.codec for route in source.routes]) == ("fake", 0, ["joint_state"])


def test_relative_paths_are_relative_to_the_file_that_names_them(load_texts: LoadTexts, tmp_path: Path) -> None:
    text = STAGE + "state_dir: var/state\n" + SOURCE + "    ca: certs/ca.pem\n"
    settings = load_texts(text).settings
    source: Any = settings.sources["floor"]
    assert settings.stage.root == str(tmp_path / "cell.usda")
    assert settings.state_dir == tmp_path / "var/state"
    assert source.ca == tmp_path / "certs/ca.pem"


def test_defaults_urls_and_absolute_paths_stay_as_they_are(load_texts: LoadTexts) -> None:
    settings = load_texts("stage: {root: 'omniverse://host/cell.usd', snapshot: {path: /tmp}}\n").settings
    assert settings.stage.root == "omniverse://host/cell.usd"
    assert settings.state_dir == Path("state")
    assert settings.stage.snapshot is not None
    assert settings.stage.snapshot.path == Path("/tmp")  # noqa: S108  (any absolute path)


def test_marks_tell_where_every_setting_stands(load_texts: LoadTexts, tmp_path: Path) -> None:
    marks = load_texts(STAGE + SOURCE, "http:\n  listen: 127.0.0.1:0\n").marks
    codec = marks.value(("sources", "floor", "routes", 0, "codec"))
    listen = marks.name(("http", "listen"))
    absent = marks.value(("http", "token"))
    assert (codec.file, codec.line, codec.column) == (f"{tmp_path}/0.yaml", 5, 46)
    assert (listen.file, listen.line, listen.column) == (f"{tmp_path}/1.yaml", 2, 3)
    assert (absent.file, absent.line, absent.column) == (f"{tmp_path}/1.yaml", 1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [("017", 17), ("0o17", 15), ("0x1F", 31), ("1e3", 1000.0), ("-.5", -0.5), ("true", True), ("no", "no"), ("~", None),
     ("2026-11-22", "2026-11-22"), ("1_000", "1_000"), ("'1'", "1"), ("!!str 1", "1")],
)  # fmt: skip
def test_plain_words_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    table, problems = parse(f"a: {text}\n", file="f")
    assert table is not None
    assert (plain(table), problems) == ({"a": value}, [])


Keys = st.sampled_from(["a", "b", "c", "d"])
Trees = st.dictionaries(
    Keys,
    st.recursive(
        st.integers(-5, 5) | st.lists(st.integers(0, 3), max_size=2),
        lambda below: st.dictionaries(Keys, below, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
)


def _table(tree: dict[str, Any]) -> Table:
    table, problems = parse(yaml.safe_dump(tree), file="f")
    assert table is not None
    assert not problems
    return table


def _overlaid(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(earlier)
    for key, value in later.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = _overlaid(merged[key], value) if both else value
    return merged


@given(earlier=Trees, later=Trees)
def test_merging_is_key_by_key_at_every_depth(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    assert plain(merge(_table(earlier), _table(later))) == _overlaid(earlier, later)


@given(first=Trees, second=Trees, third=Trees)
def test_merging_does_not_depend_on_how_files_are_grouped_when_they_agree_on_kinds(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    assert plain(merge(merge(_table(first), _table(second)), _table(third))) == _overlaid(_overlaid(first, second), third)
