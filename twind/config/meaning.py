"""What a configuration means: checks that need no stage, made on every part whose structure is right."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from twind.config.address import is_loopback, parse_address
from twind.config.base import MASK, RouteSettings
from twind.config.marks import dotted
from twind.config.places import cannot_hold_files
from twind.config.settings import FolderSettings
from twind.config.tree import Listing, Scalar, plain
from twind.model.routes import overlapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.config.marks import Marks, SettingPath
    from twind.config.registry import Registry
    from twind.config.settings import EstimationSettings, HttpSettings, Settings, ShardSettings
    from twind.model.errors import Problem


def check_meaning(settings: Settings, marks: Marks) -> Iterator[Problem]:
    """Check everything but the routes."""
    yield from _check_http(settings.http, marks)
    yield from _check_ages(settings.estimation, marks)
    yield from _check_shard(settings.shard, marks)
    yield from _check_folder(settings.state_dir, ("state_dir",), marks)
    if settings.stage.snapshot is not None:
        snapshot = settings.stage.snapshot
        yield from _check_folder(snapshot.path, ("stage", "snapshot", "path"), marks)
        if snapshot.composed is not None:
            yield from _check_folder(snapshot.composed.parent, ("stage", "snapshot", "composed"), marks)
    if isinstance(settings.restart.hand_over, FolderSettings):
        yield from _check_folder(settings.restart.hand_over.path, ("restart", "hand_over", "path"), marks)
    for name, sink in settings.sinks.items():
        folder = getattr(sink, "path", None)
        if isinstance(folder, Path):
            yield from _check_folder(folder, ("sinks", name, "path"), marks)


def _check_http(http: HttpSettings, marks: Marks) -> Iterator[Problem]:
    if http.auth == "token" and http.token is None:
        yield marks.problem(("http", "auth"), "'token' needs `http.token`, such as ${file:/run/secrets/twind_http_token}")
        return
    host, _ = parse_address(http.listen)
    if not is_loopback(host) and http.token is None and http.auth != "none":
        message = (
            "others than this machine can reach this address: set `http.token`, or write `auth: none` to leave it open to them"
        )
        yield marks.problem(("http", "listen"), message)


def _check_ages(estimation: EstimationSettings, marks: Marks) -> Iterator[Problem]:
    for shorter, longer in pairwise(("fresh_ms", "coast_ms", "lost_ms")):
        if getattr(estimation, shorter) > getattr(estimation, longer):
            named = shorter if marks.node(("estimation", shorter)) is not None else longer
            message = (
                f"{shorter} ({getattr(estimation, shorter):g}) must not be greater than "
                f"{longer} ({getattr(estimation, longer):g})"
            )
            if not marks.substituted(("estimation",)):
                yield marks.problem(("estimation", named), message)
            else:
                yield marks.problem(("estimation", named), f"{shorter} must not be greater than {longer}")


def _check_shard(shard: ShardSettings, marks: Marks) -> Iterator[Problem]:
    if shard.index >= shard.count:
        at: SettingPath = ("shard", "index")
        index, count = (MASK if marks.substituted(("shard", name)) else getattr(shard, name) for name in ("index", "count"))
        yield marks.problem(at, f"{index} of {count} shards: the first is 0, so the index must be less than `shard.count`")


def _check_folder(folder: Path, at: SettingPath, marks: Marks) -> Iterator[Problem]:
    fault = cannot_hold_files(folder)
    if fault is not None:
        shown = fault if not marks.substituted(at) else "the folder is not writable and cannot be made"
        yield marks.problem(at, shown)


def check_routes(source: str, marks: Marks, registry: Registry) -> Iterator[Problem]:
    """Check the routes of one source; those that are no routes at all are passed over, having been reported already."""
    at: SettingPath = ("sources", source, "routes")
    listing = marks.node(at)
    if not isinstance(listing, Listing):
        return
    routes: list[tuple[SettingPath, RouteSettings]] = []
    for index in range(len(listing.items)):
        here = (*at, index)
        yield from _check_codec((*here, "codec"), marks, registry)
        try:
            route = RouteSettings.model_validate(plain(listing.items[index]))
        except ValidationError:
            continue
        routes.append((here, route))
        if "entity" not in route.topic.placeholders and route.entity is None:
            message = "must hold an {entity} placeholder, or the route must name its `entity`"
            yield marks.problem((*here, "topic"), message)
    for first, second in overlapping([route.topic for _, route in routes]):
        (one, _), (other, _) = routes[first], routes[second]
        shown = "" if marks.substituted(at) else f" ({routes[first][1].topic.text!r}, {routes[second][1].topic.text!r})"
        message = f"overlaps with {dotted(one)}: a topic could match both{shown}"
        yield marks.problem((*other, "topic"), message)


def _check_codec(at: SettingPath, marks: Marks, registry: Registry) -> Iterator[Problem]:
    node = marks.node(at)
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value not in registry.codecs.names:
        yield marks.problem(at, registry.codecs.unknown(MASK if node.origin else node.value))
