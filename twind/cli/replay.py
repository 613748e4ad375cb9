"""`twind replay`: recordings through the daemon's pipeline, as fast as possible or as they were."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twind.cli.recordings import Window, recordings
from twind.cli.startup import heavy_imports

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP = 0.005
"""Part of the recording between two looks of the progress bar."""


@click.command
@recordings
@click.pass_context
@click.option("--config", "configs", metavar="CONFIG", multiple=True, type=click.Path(path_type=Path),
              help="Configuration with the stage, the routes and the estimation; repeatable, later ones win.")  # fmt: skip
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder for joints.csv, bodies.csv, summary.json.")
@click.option("--sample-hz", type=click.FloatRange(min=0, min_open=True), default=50.0, show_default=True,
              help="Instants a second at which the state is written.")  # fmt: skip
@click.option("--horizon-ms", type=float, default=100.0, show_default=True, help="How far the state is predicted beyond them.")
@click.option("--usd", "usd", metavar="OUT.usda", type=click.Path(path_type=Path, dir_okay=False),
              help="With --out: also write the same states as an animation layer over the stage, for playback.")  # fmt: skip
@click.option("--from", "start", metavar="T", help="Pass over what was received before T: ISO 8601, ns, or +S after the start.")
@click.option("--to", "end", metavar="T", help="Pass over what was received after T.")
@click.option("--speed", metavar="X", type=click.FloatRange(min=0, min_open=True, max=1000),
              help="Instead of --out: play at X times real time, into a daemon with the configuration's stage.")  # fmt: skip
@click.option("--to-broker", "broker", metavar="URL", help="With --speed: play to the broker at mqtt://HOST:PORT instead.")
@click.option("--qos", type=click.IntRange(0, 1), default=0, show_default=True, help="With --to-broker: how to publish.")
@click.option("--json", "as_machine", is_flag=True, help="Print the summary as JSON.")
def replay(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    configs: tuple[Path, ...],
    out: Path | None,
    sample_hz: float,
    horizon_ms: float,
    usd: Path | None,
    start: str | None,
    end: str | None,
    speed: float | None,
    broker: str | None,
    qos: int,
    as_machine: bool,
) -> None:
    """Feed recordings to the estimators and write what they would have predicted from only what had arrived by then.

    REC is an MCAP file or a folder of them; several are merged by receive stamp. The same recordings and settings always
    give the same bytes.
    """
    _check_usage(out=out, speed=speed, usd=usd, broker=broker, part=start is not None or end is not None)
    if broker is not None and speed is not None:
        from twind.cli.play import play_to_broker

        play_to_broker(Window.of(paths, start=start, end=end), broker, speed=speed, qos=qos)
        return
    if not configs:
        raise click.UsageError("--config is missing")  # noqa: EM101  (click's own way)
    with heavy_imports():
        from twind.config.load import load
        from twind.config.registry import Registry

        loaded = load(configs, Registry.installed())
    if out is None or speed is not None:
        from twind.cli.play import play_into_daemon

        ctx.exit(play_into_daemon(paths, loaded, speed=speed or 1.0))
    window = Window.of(paths, start=start, end=end)
    with heavy_imports():
        from twind.config.against import check_against
        from twind.model.errors import ConfigurationError
        from twind.runtime.discovered import discovered
        from twind.runtime.replay.run import ReplayOptions, replay_to_folder

        topology = discovered(loaded.settings.stage.root)
    problems = check_against(loaded.settings, topology, loaded.marks)
    if problems:
        raise ConfigurationError(problems)
    options = ReplayOptions(sample_hz, horizon_ms, window.from_ns, window.to_ns)
    with ExitStack() as stack:
        take = None
        if usd is not None:
            from twind.stage.take import Take

            take = stack.enter_context(Take(loaded.settings.stage.root, usd, sample_hz=sample_hz))
        on_progress = stack.enter_context(_progress(window))
        summary = replay_to_folder(window.paths, loaded, topology, out, options=options, take=take, on_progress=on_progress)
    if not summary["messages"] and window.is_part:  # the span has gaps
        raise window.empty()
    click.echo(json.dumps(summary, indent=2) if as_machine else _text(summary, out, usd))


def _check_usage(*, out: Path | None, speed: float | None, usd: Path | None, broker: str | None, part: bool) -> None:
    """Refuse options that do not go together; `part` is whether only a part of the recordings is meant."""
    if (out is None) == (speed is None):
        raise click.UsageError("either --out, the folder for the results, or --speed is needed")  # noqa: EM101
    if usd is not None and out is None:
        raise click.UsageError("--usd goes with --out")  # noqa: EM101  (click's own way)
    if broker is not None and speed is None:
        raise click.UsageError("--to-broker needs --speed")  # noqa: EM101  (click's own way)
    if speed is not None and broker is None and part:
        raise click.UsageError("--from and --to go with --out and --to-broker")  # noqa: EM101  (click's own way)


class _progress:  # noqa: N801  (read as a function)
    """A bar on a terminal; nothing in a pipe."""

    def __init__(self, window: Window) -> None:
        self._bar: Any = None
        self._first_ns, self._span_ns = window.first_ns, max(window.last_ns - window.first_ns, 1)
        if sys.stderr.isatty():
            self._bar = click.progressbar(length=1000, label="replaying", file=sys.stderr)
        self._shown = 0

    def __enter__(self) -> Callable[[int], None] | None:
        if self._bar is None:
            return None
        self._bar.__enter__()
        return self._show

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.update(1000 - self._shown)
            self._bar.__exit__(*error)

    def _show(self, stamp_ns: int) -> None:
        done = min(1000, 1000 * (stamp_ns - self._first_ns) // self._span_ns)
        if done - self._shown >= 1000 * _STEP:
            self._bar.update(done - self._shown)
            self._shown = done


def _text(summary: dict[str, Any], out: Path, usd: Path | None) -> str:
    lines = []
    for stream in summary["streams"]:
        used = "; ".join(
            f"{name}: {channel['verdicts']['accepted']} of {channel['samples']} accepted, "
            f"{channel['verdicts']['reset']} resets, mean NIS {_figure(channel['mean_nis'])}"
            for name, channel in stream["channels"].items()
        )
        refused = "".join(f"; {count} refused ({reason})" for reason, count in stream["refused"].items())
        lines.append(f"{stream['topic']}: {stream['messages']} messages{refused}{'; ' if used else ''}{used}")
    lines += [f"{item['file']}: the file is cut; read up to there" for item in summary["recordings"] if not item["complete"]]
    lines.append(f"{summary['messages']} messages, {summary['instants']} instants: {out}")
    lines += [f"take: {usd}"] if usd is not None else []
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
