"""`twind demo`: the main job in one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from twind.demo.session import Result, Whereabouts

_FIRST = "\nThe first start compiles the estimators for this machine: half a minute where two cores are free."


@click.command
@click.option("--duration", type=click.FloatRange(min=5), help="Stop after so many seconds; at least 5. Default: Ctrl-C.")
@click.option("--check", is_flag=True, help="Fail (exit code 1) unless the live stage agrees with the known truth.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses motion, noise and losses.")
@click.option("--listen", default="127.0.0.1:8080", show_default=True, help="Address of the page; port 0 takes a free one.")
@click.option("--embedded-broker", is_flag=True, help="Use the embedded MQTT broker although mosquitto is installed.")
@click.option("-v", "--verbose", is_flag=True, help="Also say where the API, the stage, the broker and the configuration are.")
@click.pass_context
def demo(
    ctx: click.Context,
    *,
    duration: float | None,
    check: bool,
    as_json: bool,
    seed: int,
    listen: str,
    embedded_broker: bool,
    verbose: bool,
) -> None:
    """Show synthetic robots over real MQTT in a live stage.

    Starts a broker, the daemon, and a process of synthetic robots with noisy encoders, skewed clocks, losses and late messages.
    """
    import sys

    from twind.config.settings import LogSettings
    from twind.demo.session import Options, run
    from twind.estimation.compilation import missing_parts
    from twind.runtime.loop import run_on_loop
    from twind.telemetry import Telemetry

    live = sys.stdout.isatty() and not as_json
    if not as_json:
        click.echo(f"Starting the broker, the daemon and the robots ...{_FIRST if missing_parts() else ''}")

    def on_started(where: Whereabouts) -> None:
        if not as_json:
            click.echo(_where(where))
            if verbose:
                click.echo(_more(where))

    def on_progress(line: str) -> None:
        if live:
            click.echo(f"\r\033[K{line}", nl=False)

    options = Options(duration_s=duration, seed=seed, listen=_free(listen), embedded_broker=embedded_broker)
    with Telemetry(LogSettings(level="error" if as_json else "warning")) as telemetry:
        result = run_on_loop(run(options, telemetry=telemetry, on_started=on_started, on_progress=on_progress))
    if live:
        click.echo()
    click.echo(result.as_json() if as_json else _summary(result))
    if check and not result.ok:
        ctx.exit(1)


def _where(where: Whereabouts) -> str:
    return f"""
  Open  {where.page}/

The cell in 3D, live. Ctrl-C stops it.
"""


def _more(where: Whereabouts) -> str:
    return f"""\
  /api/v1/entities/arm_a   one robot's joints and links
  /metrics                 Prometheus
  stage     {where.stage}   for usdview or any USD tool
  broker    {where.broker}   topics cell/+/joint_state and cell/+/pose
  settings  {where.configuration}   the daemon's configuration, to copy
"""


def _summary(result: Result) -> str:
    raw, estimated, messages = result.raw, result.estimated, result.messages
    rows = [
        ("joints", "joint_rmse_rad", 1e3, "mrad"),
        ("fingers", "joint_rmse_m", 1e3, "mm"),
        ("positions", "position_rmse_m", 1e3, "mm"),
        ("rotations", "rotation_rmse_rad", 1e3, "mrad"),
    ]
    table = "\n".join(
        f"  {name:10s} {raw[key] * scale:9.2f} {estimated[key] * scale:11.2f}  {unit}" for name, key, scale, unit in rows
    )
    verdict = "The live stage agrees with the truth." if result.ok else "\n".join(f"FAILED: {one}" for one in result.failures)
    return f"""
Error against the truth, RMS      (copied: what a twin that copies the newest message would show)
  {"":10s} {"copied":>9s} {"this stage":>11s}
{table}
Latency from sensor to stage: median {result.latency_p50_ms:.1f} ms, p99 {result.latency_p99_ms:.1f} ms \
(bar: {result.latency_bar_ms:.1f} ms)
Messages: {messages.published} published, {messages.processed} processed, {messages.refused} refused, \
{messages.dropped} dropped, {messages.unexplained} unexplained
          {messages.withheld} more withheld by the robots on purpose; {messages.late_samples} samples came too late to be used
{verdict}"""


def _free(listen: str) -> str:
    """Return the address, with port 0 when its port is taken: a demo should not fail for that."""
    import socket

    host, _, port = listen.rpartition(":")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except (OSError, ValueError):
            return f"{host}:0" if port.isdecimal() else listen
    return listen
