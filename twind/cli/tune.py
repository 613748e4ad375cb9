"""`twind tune`: noise settings from a recording."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from twind.cli.recordings import Window, recordings


@click.command
@recordings
@click.option("--config", "configs", metavar="CONFIG", multiple=True, required=True, type=click.Path(path_type=Path),
              help="Configuration with the stage, the routes and the present settings; repeatable.")  # fmt: skip
@click.option("--report", metavar="DIR", type=click.Path(path_type=Path), help="Also write tune.html and tune.yaml there.")
@click.option("--from", "start", metavar="T", help="Begin at T: ISO 8601, whole nanoseconds, or +S after the start.")
@click.option("--to", "end", metavar="T", help="End at T. Default: a minute after the begin.")
def tune(
    *, paths: tuple[Path, ...], configs: tuple[Path, ...], report: Path | None, start: str | None, end: str | None
) -> None:
    """Search the joint noise settings that predict a recording best, and print them as a configuration fragment.

    Predictions over 20, 50, 100 and 200 ms, each from only what had arrived by then, are compared with what was measured.
    Choose a part in which the robot moves as it does at work. Poses of objects are not tuned.
    """
    from contextlib import ExitStack

    from twind.config.load import load
    from twind.config.registry import Registry
    from twind.model.errors import PermanentError
    from twind.model.time import NS_PER_S
    from twind.runtime.replay.routing import RecordedRoutes
    from twind.runtime.tune.report import as_html, as_text, fragment
    from twind.runtime.tune.search import tune as search
    from twind.runtime.tune.trial import Trials
    from twind.sources.recording import Recording, in_order
    from twind.stage.discover import discover

    loaded = load(configs, Registry.installed())
    window = Window.of(paths, start=start, end=end)
    to_ns = window.to_ns if end is not None else window.first_ns + 60 * NS_PER_S
    topology, streams = discover(loaded.settings.stage.root), RecordedRoutes({})
    with ExitStack() as stack:
        opened = [stack.enter_context(Recording(path)) for path in window.paths]
        lists = in_order(opened, from_ns=window.from_ns, to_ns=to_ns, key=streams.key)
        messages = [message for found in lists for message in found]
    trials = Trials(loaded, topology, messages, streams, rate_hz=25.0)

    def on_trial(done: float) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\033[Ktuning: {100 * done:.0f} %", nl=False, err=True)

    found = search(trials, topology, loaded.settings.estimation, on_trial=on_trial)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    if not found:
        raise PermanentError("no joint of the stage was measured in this part of the recording")  # noqa: EM101
    click.echo(as_text(found), err=True)
    click.echo(fragment(found), nl=False)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        (report / "tune.html").write_text(as_html(found), encoding="utf-8")
        (report / "tune.yaml").write_text(fragment(found), encoding="utf-8")
