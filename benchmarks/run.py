"""`make bench`: measure, print the table, and write it to `benchmarks/results/latest.json`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import machine
from table import Section, render

MODULES = (
    "pipeline",
    "recording",
    "replay",
    "durability",
    "mqtt_floor",
    "eventhubs",
    "stage_write",
    "stage_lag",
    "stage_hour",
    "viewers",
    "discovery",
    "latency",
    "kernels",
    "growth",
    "startup",
)
"""One module per measurement; each has `measure(*, quick) -> Section`."""
_RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> int:
    """Run what was asked for; fail only when a measurement itself fails, never because a bar is missed."""
    options = _arguments()
    os.sched_setaffinity(0, machine.OTHERS)  # brokers and load inherit it; what is measured moves to its own core
    about = machine.describe()
    sections: list[Section] = []
    for name in options.only or MODULES:
        started = time.monotonic()
        _progress(f"{name} ...")
        sections.append(importlib.import_module(name).measure(quick=options.quick))
        _progress(f"{name}: {time.monotonic() - started:.0f} s\n")
    print(
        f"{about['cpu']}, core {about['measured_core']} of {about['cores']}; Python {about['python']}; twind {about['twind']}"
    )
    print(render(sections))
    _write(options.json, about | {"quick": options.quick}, sections)
    missed = [row.name.strip() for section in sections for row in section.rows if row.holds is False]
    print(f"\n{len(missed)} bars missed{': ' if missed else ''}{'; '.join(missed)}\nwritten to {options.json}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: to see that it works, not to quote")
    parser.add_argument("--json", type=Path, default=_RESULTS, metavar="PATH", help="where to write the numbers (%(default)s)")
    parser.add_argument(
        "--only", action="append", choices=MODULES, metavar="NAME", help=f"one of {', '.join(MODULES)}; repeatable"
    )
    return parser.parse_args()


def _write(path: Path, about: dict[str, Any], sections: list[Section]) -> None:
    document = {
        "about": about,
        "sections": [{**asdict(one), "rows": [row.as_json() for row in one.rows]} for one in sections],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
