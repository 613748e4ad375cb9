"""`twind tune`: noise settings from a recording."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from twind.cli.recordings import Window, recordings


@click.command
@recordings
@click.option("--config", "configs", metavar="CONFIG", multiple=True, required=True, type=click.Path(path_type=Path),
              help="Configuration with the stage, the routes and the present settings; repeatable.")  # fmt: skip
@click.option("--entity", "entities", metavar="ID", multiple=True, help="Tune only this robot or object; repeatable.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the configuration fragment there instead of to standard output.")  # fmt: skip
@click.option("--report", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Also write tune.html and tune.yaml there.")  # fmt: skip
@click.option("--from", "start", metavar="T", help="Begin at T: ISO 8601, whole nanoseconds, or +S after the start.")
@click.option("--to", "end", metavar="T", help="End at T. Default: a minute after the begin.")
@click.option("--json", "as_machine", is_flag=True, help="Print everything, the fragment included, as one JSON document.")
def tune(
    *,
    paths: tuple[Path, ...],
    configs: tuple[Path, ...],
    entities: tuple[str, ...],
    out: Path | None,
    report: Path | None,
    start: str | None,
    end: str | None,
    as_machine: bool,
) -> None:
    """Find the most likely noise of every joint and body, and print what predicts better as a configuration fragment.

    Predictions over 20, 50, 100 and 200 ms, each from only what had arrived by then, are compared with what was measured.
    Choose a part in which the robot moves as it does at work. The table goes to standard error, unless
    --out takes the fragment.
    """
    from contextlib import ExitStack

    from twind.config.load import load
    from twind.config.registry import Registry
    from twind.model.errors import PermanentError
    from twind.model.time import NS_PER_S
    from twind.runtime.discovered import discovered
    from twind.runtime.replay.routing import RecordedRoutes
    from twind.runtime.tune.decoded import decode
    from twind.runtime.tune.page import page
    from twind.runtime.tune.report import as_document, as_text, fragment
    from twind.runtime.tune.search import Search, unbiased
    from twind.sources.recording import Recording, in_order

    loaded = load(configs, Registry.installed())
    window = Window.of(paths, start=start, end=end)
    to_ns = window.to_ns if end is not None else window.first_ns + 60 * NS_PER_S
    topology, streams = discovered(loaded.settings.stage.root), RecordedRoutes({})
    with ExitStack() as stack:
        opened = [stack.enter_context(Recording(path)) for path in window.paths]
        lists = in_order(opened, from_ns=window.from_ns, to_ns=to_ns, key=streams.key)
        messages = [message for found in lists for message in found]
    settings = loaded.settings.estimation
    decoded = decode(loaded, topology, unbiased(settings, topology), messages, streams)
    search = Search(topology, settings, decoded, entities=entities)

    def on_progress(done: float) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\033[Ktuning: {100 * done:.0f} %", nl=False, err=True)

    tuned = search.run(on_progress=on_progress)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    text = fragment(tuned)
    try:
        if out is not None:
            out.write_text(text, encoding="utf-8")
        if report is not None:
            report.mkdir(parents=True, exist_ok=True)
            (report / "tune.html").write_text(page(search, tuned, topology, decoded), encoding="utf-8")
            (report / "tune.yaml").write_text(text, encoding="utf-8")
    except OSError as error:
        raise PermanentError(f"cannot write {error.filename}: {error.strerror or error}") from error
    if as_machine:
        click.echo(json.dumps(as_document(tuned), indent=2, allow_nan=False))
        return
    click.echo(as_text(tuned), err=out is None)
    if out is None:
        click.echo(text, nl=False)
