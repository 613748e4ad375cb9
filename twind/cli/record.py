"""`twind record`: the sources and the recorder, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from twind.cli.arguments import configs


@click.command
@configs
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Record into this folder, whatever the sinks say.")
@click.option("--duration", metavar="S", type=click.FloatRange(min=0, min_open=True), help="Stop after so many seconds.")
@click.pass_context
def record(ctx: click.Context, *, paths: tuple[Path, ...], out: Path | None, duration: float | None) -> None:
    """Record what every source receives, as it arrives, until SIGTERM or SIGINT. The stage is not opened.

    Messages of sources that acknowledge are acknowledged once they are on the disk. The files are named after
    INSTANCE-recorder: beside those of a running daemon with the same configuration, and with a quota of their own.
    """
    from twind.config.load import load
    from twind.config.registry import Registry

    loaded = load(paths, Registry.installed())
    from dataclasses import replace

    from twind.runtime.loop import run_on_loop
    from twind.runtime.record_only import RecordOnly
    from twind.telemetry import Telemetry

    if out is not None:
        settings = loaded.registry.sinks.load("mcap").settings.model_validate({"type": "mcap", "path": out})
        loaded = replace(loaded, settings=loaded.settings.model_copy(update={"sinks": {"recording": settings}}))
    live = sys.stderr.isatty()

    async def run(telemetry: Telemetry) -> tuple[int, int]:
        recording = RecordOnly(loaded, telemetry=telemetry)

        def on_second(seconds: float) -> None:
            click.echo(f"\r\033[K{recording.received} messages in {seconds:.0f} s", nl=False, err=True)

        code = await recording.run(duration_s=duration, on_second=on_second if live else None)
        return recording.received, code

    with Telemetry(loaded.settings.log) as telemetry:
        messages, code = run_on_loop(run(telemetry))
    if live:
        click.echo(err=True)
    click.echo(f"{messages} messages received")
    ctx.exit(code)
