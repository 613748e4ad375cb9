"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

configs = click.argument("paths", metavar="CONFIG...", nargs=-1, required=True, type=click.Path(path_type=Path))
"""One or more configuration files. Whether they exist is for the loader to say, at exit code 78 like any other problem."""
