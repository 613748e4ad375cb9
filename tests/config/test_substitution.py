"""Placeholders: what they become, what goes wrong, and that nothing put in is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from twind.config.document import parse
from twind.config.substitute import Substitution
from twind.config.tree import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twind.config.load import Loaded

STAGE = "stage: {root: cell.usda}\n"
SOURCE = "sources:\n  floor:\n    type: fake\n    routes: [{topic: 'cell/{entity}', codec: pose}]\n"


def _source(loaded: Loaded) -> Any:
    return loaded.settings.sources["floor"]


def test_each_kind_of_placeholder_is_filled(load_texts: Callable[..., Loaded], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n\n")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "token").write_text("t0ken\n")
    text = STAGE + SOURCE + (
        "    port: ${env:PORT}\n    qos: ${env:QOS:-0}\n    clean: ${env:EMPTY:-true}\n"
        "    password: ${file:secret}\n    url: fake://${env:HOST}.${env:DOMAIN:-local}/$${x}\n"
        "http: {token: '${cred:token}'}\n"
    )  # fmt: skip
    environment = {"PORT": "8883", "EMPTY": "", "HOST": "broker", "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    loaded = load_texts(text, environment=environment)
    source = _source(loaded)
    assert (source.port, source.qos, source.clean, source.url) == (8883, 0, True, "fake://broker.local/${x}")
    assert source.password.get_secret_value() == "s3cret\n"
    assert loaded.settings.http.token is not None
    assert loaded.settings.http.token.get_secret_value() == "t0ken"


@pytest.mark.parametrize(
    ("placeholder", "said"),
    [
        ("${env:NAME}", "the environment variable 'NAME' is not set; set it, or give a default: ${env:NAME:-VALUE}"),
        ("${file:none}", "/none' cannot be read: No such file or directory"),
        ("${file:.}", "cannot be read: Is a directory"),
        ("${file:bytes}", "/bytes' is not UTF-8 text"),
        ("${file:large}", "/large' is larger than 65536 bytes"),
        ("${cred:x}", "the credential 'x' cannot be read: CREDENTIALS_DIRECTORY is not set"),
        ("${environment:X}", "there is no placeholder '${environment:X}'"),
        ("${evn:X}", "there is no placeholder '${evn:X}'; did you mean 'env'?"),
        ("${NAME}", "there is no placeholder '${NAME}'; write ${env:NAME}, ${file:PATH} or ${cred:NAME}"),
        ("${env:}", "the placeholder '${env:}' names nothing after the colon"),
        ("${env:NAME", "the placeholder '${env:NAME' is not closed by '}'"),
    ],
)
def test_a_placeholder_that_cannot_be_filled_is_one_problem(
    complaints: Callable[..., list[str]], tmp_path: Path, placeholder: str, said: str
) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"x" * 65_537)
    (problem,) = complaints(STAGE + f"log: {{level: '{placeholder}'}}\n")
    assert problem.startswith("0.yaml:2:14: log.level: ")
    assert said in problem


def test_a_credential_name_is_no_path(complaints: Callable[..., list[str]], tmp_path: Path) -> None:
    (problem,) = complaints(STAGE + "instance: ${cred:../x}\n", environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "the credential name '../x' must not be a path" in problem


def test_a_placeholder_in_a_name_is_refused_with_a_hint(complaints: Callable[..., list[str]]) -> None:
    assert complaints(STAGE + '"${env:A}": {x: 1}\n', environment={"A": "log"}) == [
        "0.yaml:2:1: ${env:A}: a placeholder may stand in a value, not in a name; write the name out"
    ]


def test_a_placeholder_that_a_later_file_replaces_is_never_looked_at(load_texts: Callable[..., Loaded]) -> None:
    assert load_texts(STAGE + "instance: ${env:NONE}\n", "instance: cell-7\n").settings.instance == "cell-7"


def test_comments_and_what_was_put_in_are_not_searched_for_placeholders(load_texts: Callable[..., Loaded]) -> None:
    loaded = load_texts(STAGE + SOURCE + "    # ${env:NONE}\n    password: ${env:A}\n", environment={"A": "${env:NONE}"})
    assert _source(loaded).password.get_secret_value() == "${env:NONE}"


@pytest.mark.parametrize(
    "setting",
    [
        "instance: ${env:S}", "state_dir: /dev/null/${env:S}", "shutdown_s: ${env:S}", "http: {listen: '${env:S}'}",
        "log: {level: '${env:S}'}", "log: {json: '${env:S}'}", "stage: '${env:S}'",
        "sources: {a: {type: '${env:S}', routes: [{topic: '+${env:S}', codec: '${env:S}'}]}}",
        "sources: {a: {type: fake, url: '${env:S}', qos: '${env:S}', clean: '${env:S}', routes: [{topic: x, codec: pose}]}}",
        "sources: {a: {type: fake, routes: [{topic: '${env:S}', codec: x}, {topic: y, codec: x, max_bytes: '${env:S}'}]}}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("secret", ["hunter two/+", "cell-7 x:y#", "Infos", "fake"])
def test_what_a_placeholder_put_in_is_never_shown(complaints: Callable[..., list[str]], setting: str, secret: str) -> None:
    text = setting if setting.startswith("stage") else STAGE + setting
    said = "\n".join(complaints(text + "\nshutdown: 1\n", environment={"S": secret}))
    assert secret not in said.replace("installed: fake", "").replace("begin with fake://", "")
    assert "hunter" not in said


@pytest.mark.parametrize(
    "text",
    ["http: {token: 90125901}", "http: {token: [hunter2]}", "http: {tokn: hunter2}", "http: {token: {a: hunter2}}",
     "sources: {a: {type: fake, routes: [], password: 90125901}}"],
)  # fmt: skip
def test_a_secret_written_out_is_not_quoted_either(complaints: Callable[..., list[str]], text: str) -> None:
    said = "\n".join(complaints(STAGE + text + "\n"))
    assert "90125901" not in said
    assert "hunter2" not in said


Texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
Pieces = st.lists(
    st.one_of(Texts.map(lambda text: ("text", text)), st.sampled_from(["A", "B"]).map(lambda name: ("env", name))), max_size=6
)


def _filled(text: str, environment: dict[str, str]) -> tuple[Any, list[Any]]:
    table, problems = parse(yaml.safe_dump({"a": text}), file="f")
    assert table is not None
    substitution = Substitution(environment=environment, problems=problems, failed=set())
    return plain(substitution.table(table))["a"], substitution.problems


@given(pieces=Pieces, a=Texts, b=Texts)
def test_text_around_placeholders_is_kept_to_the_letter(pieces: list[tuple[str, str]], a: str, b: str) -> None:
    environment = {"A": a, "B": b}
    template = "|".join(f"${{env:{text}}}" if kind == "env" else text.replace("${", "") for kind, text in pieces)
    expected = "|".join(environment[text] if kind == "env" else text.replace("${", "") for kind, text in pieces)
    if "$$" not in template:
        assert _filled(template, environment) == (expected, [])


@given(text=Texts)
def test_any_text_can_be_written_by_escaping(text: str) -> None:
    plain_text = text.replace("$", "")  # a lone dollar needs no escape and stands for itself
    assert _filled(f"{plain_text}$${{{plain_text}$", {}) == (f"{plain_text}${{{plain_text}$", [])


@given(text=st.text(alphabet="${}:-envfilcrdA/$", max_size=30))
def test_no_text_makes_substitution_fail_otherwise_than_by_a_problem(text: str) -> None:
    value, problems = _filled(text, {"A": "x"})
    assert isinstance(value, str)
    if "${" not in text:
        assert (value, problems) == (text, [])
