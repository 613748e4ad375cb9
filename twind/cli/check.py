"""`twind check`: everything that is wrong with a configuration, and a short summary when nothing is."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from typing import TYPE_CHECKING

import click

from twind.cli.arguments import configs
from twind.cli.check_report import Probe, Report, as_json, summary
from twind.model.errors import ConfigurationError, StageError, TwindError

if TYPE_CHECKING:
    from pathlib import Path

    from twind.config.load import Loaded

HAND_OVER = "restart.hand_over"
PROBE_TIMEOUT_S = 30.0
"""How long one source may take to answer `--connect`."""


@click.command
@configs
@click.option(
    "--connect", is_flag=True, help="Also connect to every source, and to where daemons hand over, and say what was found."
)
@click.option("--json", "as_machine", is_flag=True, help="Print JSON.")
@click.pass_context
def check(ctx: click.Context, *, paths: tuple[Path, ...], connect: bool, as_machine: bool) -> None:
    """Report everything that is wrong with a configuration, the stage that it names included."""
    report = examine(paths, connect=connect)
    if as_machine:
        click.echo(json.dumps(as_json(report), indent=2))
    else:
        for problem in report.problems:
            click.echo(str(problem), err=True)
        for line in summary(report):
            click.echo(line)
    ctx.exit(report.exit_code)


def examine(paths: tuple[Path, ...], *, connect: bool) -> Report:
    """Load, open the stage and, when asked to, connect; go on as far as what is wrong allows."""
    from twind.config.load import load
    from twind.config.registry import Registry

    report = Report()
    try:
        report.loaded = load(paths, Registry.installed())
    except ConfigurationError as error:
        report.problems += error.problems
        return report
    _open_stage(report, report.loaded)
    report.notes += _cache_notes()
    if connect:
        report.probes += asyncio.run(probe_all(report.loaded))
        report.hand_over = probe_hand_over(report.loaded)
    return report


def _open_stage(report: Report, loaded: Loaded) -> None:
    from twind.config.against import check_against
    from twind.config.base import MASK
    from twind.stage.discover import discover

    root = loaded.settings.stage.root
    try:
        report.topology = discover(root)
    except StageError as error:
        said = str(error).replace(root, MASK) if loaded.marks.substituted(("stage", "root")) else str(error)
        report.problems.append(loaded.marks.problem(("stage", "root"), said))
        return
    report.problems += check_against(loaded.settings, report.topology, loaded.marks)
    if not report.topology.entities:
        report.notes.append("the stage declares no robots and no objects; `twind stage ROOT` says what was ignored and why")


def _cache_notes() -> list[str]:
    from twind.cli.kernel_cache import unwritable

    fault = unwritable()
    if fault is None:
        return []
    return [
        f"compiled kernels cannot be kept: {fault}; every start compiles them anew. Set NUMBA_CACHE_DIR to a folder of your own"
    ]


async def probe_all(loaded: Loaded) -> list[Probe]:
    """Connect to every source at the same time; return what became of each, in the order of the configuration."""

    async def one(name: str) -> Probe:
        settings = loaded.settings.sources[name]
        adapter = loaded.registry.sources.load(settings.type)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                found = await adapter.probe(name, settings, instance=loaded.settings.instance)
        except TimeoutError:
            return Probe(name, ok=False, message=f"no answer within {PROBE_TIMEOUT_S:g} s")
        except TwindError as error:
            return Probe(name, ok=False, message=str(error))
        return Probe(name, ok=True, message=found)

    return list(await asyncio.gather(*map(one, loaded.settings.sources)))


def probe_hand_over(loaded: Loaded) -> Probe | None:
    """Use what streams are handed over through; return what became of it, None where they are not."""
    from twind.runtime.sharing import open_shared
    from twind.telemetry import Telemetry

    with Telemetry(stream=io.StringIO()) as telemetry:  # what was tried on the way is in the answer
        try:
            shared = open_shared(loaded, telemetry, generation=0)
            if shared is None:
                return None
            with contextlib.closing(shared):
                return Probe(HAND_OVER, ok=True, message=shared.probe())
        except TwindError as error:
            return Probe(HAND_OVER, ok=False, message=str(error))
