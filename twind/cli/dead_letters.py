"""`twind dead-letters`: look at messages that were refused, and have them tried again."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from twind.flow.dead_letters import DeadLetter

_config = click.argument("configs", metavar="CONFIG...", nargs=-1, required=True, type=click.Path(path_type=Path))
_reason = click.option("--reason", metavar="R", help="Only those refused for this reason, such as unknown_entity.")
_source = click.option("--source", metavar="S", help="Only those of this source.")
_topic = click.option("--topic", metavar="PATTERN", help="Only those whose topic fits, with * and ?.")


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Look at messages that were refused, and have them tried again once the cause is cured."""


@dead_letters.command(name="list")
@_config
@_reason
@_source
@_topic
@click.option("--json", "as_machine", is_flag=True, help="Print every letter as a line of JSON.")
def list_letters(
    *, configs: tuple[Path, ...], reason: str | None, source: str | None, topic: str | None, as_machine: bool
) -> None:
    """Print what was refused: how many messages of which topic, why, and when."""
    from twind.flow.dead_letters import read_letters, to_line

    letters = [one for one in read_letters(_folder(configs)) if _fits(one, reason, source, topic)]
    if as_machine:
        for letter in letters:
            click.echo(to_line(letter), nl=False)
        return
    groups: dict[tuple[str, str, str], list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        groups[letter.source, letter.reason, letter.topic].append(letter)
    for (of_source, why, on), found in sorted(groups.items()):
        last = datetime.fromtimestamp(max(one.receive_ns for one in found) / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
        click.echo(f"{len(found):6}  {why:16} {of_source}: {on}  (last {last} UTC)  {found[-1].detail}")
    click.echo(f"{len(letters)} dead letters in {_folder(configs)}")


@dead_letters.command()
@_config
@_reason
@_source
@_topic
@click.option("--json", "as_machine", is_flag=True, help="Print the counts as JSON.")
def retry(*, configs: tuple[Path, ...], reason: str | None, source: str | None, topic: str | None, as_machine: bool) -> None:
    """Give refused messages to the daemon again, as if they came now: within a second, or when it is started next.

    They are taken out of the dead letters; what is refused again comes back. A payload that was too long to be kept whole
    stays where it is. The stamps in the payloads are as old as they are: where newer samples came, an old one changes nothing.
    """
    from twind.flow.dead_letters import retry_letters

    counts = retry_letters(_folder(configs), lambda letter: _fits(letter, reason, source, topic))
    if as_machine:
        click.echo(json.dumps(counts))
    else:
        click.echo(f"{counts['retried']} to be tried again, {counts['cut']} cut off and left, {counts['others']} others left")


def _folder(configs: tuple[Path, ...]) -> Path:
    from twind.config.load import load
    from twind.config.registry import Registry

    loaded: Any = load(configs, Registry.installed())
    folder: Path = loaded.settings.state_dir / "dead-letters"
    return folder


def _fits(letter: DeadLetter, reason: str | None, source: str | None, topic: str | None) -> bool:
    from fnmatch import fnmatchcase

    return (
        (reason is None or letter.reason == reason)
        and (source is None or letter.source == source)
        and (topic is None or fnmatchcase(letter.topic, topic))
    )
