"""What is said about a configuration that cannot be used, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from twind.config.load import load
from twind.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twind.config.registry import Registry

    Complaints = Callable[..., list[str]]

STAGE = "stage: {root: cell.usda}\n"


def test_every_problem_of_every_kind_is_reported_at_once_in_order_of_position(complaints: Complaints) -> None:
    text = """\
stage:
  rot: cell.usda
  rate_hz: fast
http: {listen: "0.0.0.0:80"}
log: {level: informational}
sources:
  floor:
    type: fake
    qos: 2
    pasword: hunter2
    port: ${env:PORT}
    routes:
      - {topic: "cell/{entity}/joints", codec: joint_stat}
      - {topic: "cell/+/pose", codec: pose}
  other: {type: fak}
sink: {}
"""
    assert complaints(text) == [
        "0.yaml:1:1: stage.root: 'root' is required and missing",
        "0.yaml:2:3: stage.rot: unknown setting; did you mean 'root'?",
        "0.yaml:3:12: stage.rate_hz: must be a number, not 'fast'",
        (
            "0.yaml:4:16: http.listen: others than this machine can reach this address: set `http.token`, or write "
            "`auth: none` to leave it open to them"
        ),
        "0.yaml:5:14: log.level: must be 'debug', 'info', 'warning' or 'error', not 'informational'",
        "0.yaml:9:10: sources.floor.qos: must be 0 or 1, not 2",
        "0.yaml:10:5: sources.floor.pasword: unknown setting; did you mean 'password'?",
        (
            "0.yaml:11:11: sources.floor.port: the environment variable 'PORT' is not set; set it, or give a default: "
            "${env:PORT:-VALUE}"
        ),
        (
            "0.yaml:13:48: sources.floor.routes.0.codec: no codec named 'joint_stat'; installed: joint_state, pose; "
            "did you mean 'joint_state'?"
        ),
        (
            "0.yaml:14:17: sources.floor.routes.1.topic: level '+': write a placeholder as one whole level such as {entity}; "
            "'+' and '#' have no name to route by"
        ),
        "0.yaml:15:17: sources.other.type: no source named 'fak'; installed: fake; did you mean 'fake'?",
        "0.yaml:16:1: sink: unknown setting; did you mean 'sinks'?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0.yaml:1:1: is empty; it needs at least `stage: {root: PATH}`"),
        ("# only a comment\n", "0.yaml:1:1: is empty; it needs at least `stage: {root: PATH}`"),
        ("- a\n- b\n", "0.yaml:1:1: must be a mapping of settings (`name: value` lines)"),
        ("stage: [1\n", "0.yaml:2:1: is not YAML: while parsing a flow sequence expected ',' or ']', but got '<stream end>'"),
        ("a: 1\nb:\n\t- x\n", "0.yaml:3:1: is not YAML: while scanning for the next token found character '\\t' that cannot"),
        ("a: {b: ${env:X}}\n", "between braces or brackets, a placeholder must stand in quotes"),
        ("a: 1\nb: \x07\n", "0.yaml:2:4: holds the control character U+0007"),
        ("a: 1\n---\nb: 2\n", "0.yaml:2:1: is not YAML: expected a single document"),
        ("a: " + "[" * 5000, "0.yaml:1:1: is nested deeper than 64 levels"),
        ("a: " + "[" * 100 + "]" * 100, "is nested deeper than 64 levels"),
        ("a: &a [*a]\n", "is nested deeper than 64 levels"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{key}: &{key} [{','.join(['*' + before] * 10)}]\n" for before, key in zip("abcde", "bcdef", strict=True)
        ), "holds more than 100000 values, aliases included"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_mapping_of_settings_is_one_problem(complaints: Complaints, text: str, said: str) -> None:
    (problem,) = complaints(text)
    assert said in problem


def test_files_that_cannot_be_read_are_problems_all_of_them(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"stage: {root: x}\n# caf\xe9\n")
    with pytest.raises(ConfigurationError) as caught:
        load([tmp_path / "missing.yaml", tmp_path, tmp_path / "latin.yaml"], registry)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{tmp_path}/missing.yaml:1:1: cannot be read: No such file or directory",
        f"{tmp_path}:1:1: cannot be read: Is a directory",
        f"{tmp_path}/latin.yaml:2:6: is not UTF-8 text",
    ]


def test_no_file_at_all_is_a_problem(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="no configuration file"):
        load([], registry)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("instance: a\ninstance: b\n", "0.yaml:3:1: instance: stands twice; the first is in line 2"),
        ("instance: 7\n", "0.yaml:2:11: instance: must be text; write it in quotes"),
        ("instance: -x\n", "0.yaml:2:11: instance: must match ^[A-Za-z0-9]"),
        ("shutdown_s: true\n", "0.yaml:2:13: shutdown_s: must be a number, not true"),
        ("shutdown_s: .inf\n", "0.yaml:2:13: shutdown_s: must be a finite number, not inf"),
        ("shutdown_s: 0\n", "0.yaml:2:13: shutdown_s: must be greater than 0, not 0"),
        (f"shutdown_s: {'9' * 399}\n", f"0.yaml:2:13: shutdown_s: must be a number, not {'9' * 40}..."),
        (f"shutdown_s: {'9' * 5000}\n", "0.yaml:2:13: shutdown_s: is not a value of kind int"),
        ("http:\n", "0.yaml:2:6: http: is empty; give it a value or leave the line out"),
        ("http: 8080\n", "0.yaml:2:7: http: must be a mapping"),
        ("http: {listen: ':80'}\n", "0.yaml:2:16: http.listen: must be ADDRESS:PORT"),
        ("http: {listen: '[::1]:x'}\n", "0.yaml:2:16: http.listen: must end in a port number"),
        ("http: {listen: '::1:80'}\n", "0.yaml:2:16: http.listen: must have its IPv6 address in brackets"),
        ("http: {auth: token}\n", "0.yaml:2:14: http.auth: 'token' needs `http.token`"),
        ("state_dir: [1]\n", "0.yaml:2:12: state_dir: must be a path"),
        ("sources: [1]\n", "0.yaml:2:10: sources: must be a mapping"),
        ("sources: {a: 1}\n", "0.yaml:2:14: sources.a: must be a mapping"),
        ("sources: {a: {routes: []}}\n", "0.yaml:2:23: sources.a.routes: must have at least one entry"),
        ("sources: {a: {url: x}}\n", "0.yaml:2:11: sources.a.type: 'type' is required and missing; installed: fake"),
        ("sources: {a: {type: 3}}\n", "0.yaml:2:21: sources.a.type: must be the name of a source; installed: fake"),
        ("sources: {a: {type: fake, routes: x}}\n", "0.yaml:2:35: sources.a.routes: must be a list"),
        ("sources: {a: {type: fake, clean: 3, routes: [{topic: 3, codec: pose}]}}\n", "2:34: sources.a.clean: must be true"),
        ("sources: {a: {type: fake, routes: [{topic: 3, codec: pose}]}}\n", "2:44: sources.a.routes.0.topic: must be text"),
        ("sinks: {g: {type: adt}}\n", "0.yaml:2:19: sinks.g.type: no sink named 'adt'; installed: none"),
        ("estimation: {gate: 1.5}\n", "0.yaml:2:20: estimation.gate: must be less than 1, not 1.5"),
        ("estimation: {coast_ms: 100}\n", "2:24: estimation.coast_ms: fresh_ms (150) must not be greater than coast"),
        ("estimation: {overrides: {arm: {joint: {}}}}\n", "2:32: estimation.overrides.arm.joint: unknown setting; did you"),
        ("estimation: {overrides: {arm: {joints: {jerk_nose: 1}}}}\n", ".arm.joints.jerk_nose: unknown setting; did you"),
        ("state_dir: /dev/null/x\n", "2:12: state_dir: the folder '/dev/null/x' cannot be made: '/dev/null' is not"),
        ("x: !!python/object:os.system {}\n", "0.yaml:2:1: x: unknown setting"),
        ("instance: !!binary aGVsbG8=\n", "0.yaml:2:11: instance: the YAML tag 'tag:yaml.org,2002:binary' is not supported"),
        ("? [a]\n: b\n", "0.yaml:2:3: a key must be a plain word"),
        ('instance: "\\ud800"\n', "0.yaml:2:11: instance: is not a value of kind str"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_in_plain_words_where_it_stands(complaints: Complaints, text: str, said: str) -> None:
    assert any(said in problem for problem in complaints(STAGE + text)), complaints(STAGE + text)


def test_words_are_read_as_yaml_1_2_reads_them(complaints: Complaints) -> None:
    assert complaints(STAGE + "shutdown_s: on\n") == ["0.yaml:2:13: shutdown_s: must be a number, not 'on'"]
    assert complaints(STAGE + "shutdown_s: 1:30\n") == ["0.yaml:2:13: shutdown_s: must be a number, not '1:30'"]


def test_routes_of_an_unknown_adapter_are_checked_all_the_same(complaints: Complaints) -> None:
    text = STAGE + "sources: {a: {type: kafka, brokers: x, routes: [{topik: a, codec: pose}]}}\n"
    assert complaints(text) == [
        "0.yaml:2:21: sources.a.type: no source named 'kafka'; installed: fake",
        "0.yaml:2:49: sources.a.routes.0.topic: 'topic' is required and missing",
        "0.yaml:2:50: sources.a.routes.0.topik: unknown setting; did you mean 'topic'?",
    ]


def test_overlapping_routes_name_both(complaints: Complaints) -> None:
    text = """\
sources:
  floor:
    type: fake
    routes:
      - {topic: "cell/{entity}/joints", codec: joint_state}
      - {topic: "cell/objects/{entity}", codec: pose}
      - {topic: "cell/arm", codec: pose}
"""
    assert complaints(STAGE + text) == [
        (
            "0.yaml:7:17: sources.floor.routes.1.topic: overlaps with sources.floor.routes.0: a topic could match both "
            "('cell/{entity}/joints', 'cell/objects/{entity}')"
        ),
        "0.yaml:8:17: sources.floor.routes.2.topic: must hold an {entity} placeholder, or the route must name its `entity`",
    ]


def test_an_open_listener_is_accepted_when_that_is_written_out(load_texts: Callable[..., Any]) -> None:
    for http, listen in (
        ('{listen: "0.0.0.0:8080", auth: none}', "0.0.0.0:8080"),
        ('{listen: "0.0.0.0:8080", token: abc}', "0.0.0.0:8080"),
        ('{listen: "[::1]:8080"}', "[::1]:8080"),
        ("{listen: localhost:0}", "localhost:0"),
    ):
        assert load_texts(f"{STAGE}http: {http}\n").settings.http.listen == listen


def test_a_problem_stands_in_the_file_that_wrote_the_value(complaints: Complaints) -> None:
    assert complaints(STAGE + "shutdown_s: -1\nlog: {level: info}\n", "log:\n  level: loud\n") == [
        "0.yaml:2:13: shutdown_s: must be greater than 0, not -1",
        "1.yaml:2:10: log.level: must be 'debug', 'info', 'warning' or 'error', not 'loud'",
    ]


def test_what_is_missing_is_not_guessed_while_a_file_cannot_be_read(complaints: Complaints) -> None:
    assert complaints("instance: [", "instance: a\n") == [
        "0.yaml:1:12: is not YAML: while parsing a flow node expected the node content, but found '<stream end>'"
    ]
