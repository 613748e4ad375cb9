"""The command line as a whole: what it imports, what it lists, how it ends."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from twind import __version__
from twind.cli.lazy import LazyGroup
from twind.cli.main import COMMANDS, main
from twind.model.errors import ConfigurationError, PermanentError, Problem

HEAVY = {
    "pxr",
    "numba",
    "numpy",
    "pydantic",
    "paho",
    "aiohttp",
    "yaml",
    "asyncio",
    "prometheus_client",
    "twind_mqtt",
    "azure",
    "twind_eventhubs",
}


@pytest.mark.parametrize("code", ["import twind", "from twind.cli.main import main; main(['--help'], standalone_mode=False)"])
def test_neither_the_package_nor_its_help_imports_anything_heavy(code: str) -> None:
    report = f"{code}\nimport sys; print('imported:', *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=60)
    modules = {name.partition(".")[0] for name in done.stdout.rpartition("imported:")[2].split()}
    assert "twind" in modules
    assert modules & HEAVY == set()


def test_the_program_prints_its_help() -> None:
    done = subprocess.run([sys.executable, "-m", "twind", "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    ("code", "ends"),
    [("click.echo('said')", 0), ("ctx.exit(3)", 3), ("raise PermanentError('no')", 1), ("raise KeyError('bug')", 1)],
)
def test_a_process_ends_as_its_command_did_with_all_that_was_said_and_registered(code: str, ends: int) -> None:
    command = f"""
import atexit, sys
import click
from twind.cli import program
from twind.cli.lazy import LazyGroup
from twind.model.errors import PermanentError

@click.group(cls=LazyGroup, commands_at={{"it": ("__main__:it", "")}})
def main():
    pass

@click.command
@click.pass_context
def it(ctx):
    atexit.register(print, "left")
    sys.stdout.write("begun ")
    {code}

program.main = main
sys.argv[1:] = ["it"]
program.program()
"""
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == ends, done.stderr
    assert done.stdout == ("begun said\nleft\n" if ends == 0 else "begun left\n")


def test_help_lists_every_command_in_the_tables_order() -> None:
    lines = CliRunner().invoke(main, ["--help"]).output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_exists_and_explains_itself(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage:" in done.output


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"twind, version {__version__}\n"


@pytest.mark.parametrize("arguments", [["fly"], ["run"], ["check", "--fast", "x"], ["stage"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2


@click.command
@click.argument("kind")
def fails(kind: str) -> None:
    """Fail."""
    if kind == "configuration":
        raise ConfigurationError([Problem("a.yaml", 1, 2, "x", "is wrong"), Problem("a.yaml", 3, 4, "", "is empty")])
    raise PermanentError("the stage is gone")  # noqa: EM101


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> LazyGroup:
    monkeypatch.setitem(sys.modules, "twind_cli_fails", sys.modules[__name__])
    return LazyGroup(name="twind", commands_at={"fails": ("twind_cli_fails:fails", "Fail.")})


def test_a_bad_configuration_prints_every_problem_and_exits_with_78(group: LazyGroup) -> None:
    done = CliRunner().invoke(group, ["fails", "configuration"])
    assert (done.exit_code, done.stdout, done.stderr) == (78, "", "a.yaml:1:2: x: is wrong\na.yaml:3:4: is empty\n")


def test_any_other_error_of_ours_is_one_line_and_exits_with_1(group: LazyGroup) -> None:
    done = CliRunner().invoke(group, ["fails", "otherwise"])
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "error: the stage is gone\n")


@click.command
@click.argument("what")
@click.option("--loud", is_flag=True)
def says(what: str, *, loud: bool) -> None:
    """Say it."""
    click.echo(what.upper() if loud else what)


@pytest.fixture
def with_default(monkeypatch: pytest.MonkeyPatch) -> LazyGroup:
    monkeypatch.setitem(sys.modules, "twind_cli_says", sys.modules[__name__])
    commands = {"says": ("twind_cli_says:says", "Say it."), "fails": ("twind_cli_says:fails", "Fail.")}
    return LazyGroup(
        name="twind", commands_at=commands, default="says", context_settings={"help_option_names": ["-h", "--help"]}
    )


@pytest.mark.parametrize("arguments", [["a", "--loud"], ["--loud", "a"], ["says", "a", "--loud"]])
def test_arguments_that_name_no_command_are_the_default_commands(with_default: LazyGroup, arguments: list[str]) -> None:
    assert CliRunner().invoke(with_default, arguments).output == "A\n"


def test_a_command_is_told_from_an_argument_of_the_default_command_by_its_name(with_default: LazyGroup) -> None:
    assert CliRunner().invoke(with_default, ["says", "says"]).output == "says\n"
    assert CliRunner().invoke(with_default, ["fails", "otherwise"]).exit_code == 1
    assert CliRunner().invoke(with_default, []).exit_code == 2


def test_the_help_of_a_group_with_a_default_shows_the_defaults_options_and_the_commands(with_default: LazyGroup) -> None:
    for option in ("--help", "-h"):
        help_text = CliRunner().invoke(with_default, [option], prog_name="twind").output
        assert "twind [OPTIONS] WHAT" in help_text
        assert "--loud" in help_text
        assert "fails" in help_text


def test_reading_a_configuration_and_replaying_load_neither_metrics_nor_web_nor_mqtt() -> None:
    code = "import twind.runtime.replay.run, twind.config.load, twind_mqtt.plugin"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], check=True, capture_output=True, text=True
    )
    assert not {"prometheus_client", "aiohttp", "paho.mqtt.client"} & set(done.stdout.split())
