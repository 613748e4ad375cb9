"""Whatever the files hold: either settings, or problems that point into the files."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from twind.config.load import load
from twind.model.errors import ConfigurationError

if TYPE_CHECKING:
    from twind.config.registry import Registry

_WORDS = [
    "stage", "root", "snapshot", "path", "rate_hz", "http", "listen", "auth", "token", "sources", "floor", "type", "fake",
    "routes", "topic", "codec", "pose", "entity", "cell/{entity}", "url", "qos", "sinks", "estimation", "overrides", "joints",
    "gate", "state_dir", "log", "level", "info", "127.0.0.1:80", "0.0.0.0:80", "1", "-1", "${env:A}", "${file:x}",
    "${", "!!int x", "&a", "*a", "<<", "|", ">", "''", '"\\ud800"', '"\\U7fffffff"', "\x85", "\u2028", "\ufeff", "é",
    "!!x y", "# c", "1e999", "true", "~",
]  # fmt: skip
_PUNCTUATION = [": ", ":\n  ", ":\n    - ", "\n", "\n  ", "\n    ", ", ", "{", "}", "[", "]", "- ", "? ", " ", "\t", "---\n"]
Yamlish = st.one_of(
    st.lists(st.sampled_from(_WORDS + _PUNCTUATION), max_size=40).map("".join),
    st.text(max_size=60),
)
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@settings(max_examples=400, deadline=None)
@given(text=Yamlish)
@example(text="stage: {root: x}\nsources: {floor: {type: fake, routes: [{topic: '{entity}', codec: pose}]}}\n")
@example(text="stage: {root: x}\nsources: {'': {'': ''}, floor: {type: fake, routes: {}}}\nestimation: {overrides: {'': ~}}\n")
@example(text='a: "\\U7fffffff"\n')
@example(text="stage: [\n\n\n")
@example(text="stage: {root: !!float x, rate_hz: 0x" + "f" * 500 + "}")
@example(text='stage: {root: "a\\0b"}\nstate_dir: "a\\0b"\n')
def test_any_text_gives_settings_or_problems_that_point_into_it(registry: Registry, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "twind.yaml"
        path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
        try:
            load([path], registry, environment={"A": "a"})
        except ConfigurationError as error:
            problems = error.problems
        else:
            return
    lines = _LINE_BREAK.split(text)
    assert problems
    assert list(problems) == sorted(problems, key=lambda p: (p.line, p.column, p.path, p.message))
    for problem in problems:
        assert problem.file == str(path)
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.message


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(max_size=80))
def test_any_bytes_give_problems(registry: Registry, raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "twind.yaml"
        path.write_bytes(raw)
        try:
            load([path], registry, environment={})
        except ConfigurationError as error:
            assert error.problems  # noqa: PT017  (settings are as good an outcome)
