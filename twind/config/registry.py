"""The adapters and codecs that are installed, found by entry points and loaded when they are first asked for.

An entry point's name is the word used in the configuration. The groups are `twind.sources`, `twind.codecs` and
`twind.sinks` and `twind.hand_overs`; a group is listed without importing any of its members.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from twind.config.base import HandOverSettings, SettingsModel, SourceSettings
from twind.config.suggest import did_you_mean
from twind.model.errors import MissingExtraError, PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T_co = TypeVar("T_co", covariant=True)


class Loadable(Protocol):
    """What a group needs of an entry point."""

    def load(self) -> Any:
        """Import and return the object."""


class Adapter(Protocol):
    """What the configuration needs to know of a source or sink adapter; the rooms above know more."""

    @property
    def settings(self) -> type[SettingsModel]:
        """The adapter's settings; its field `type` holds the adapter's name."""


class Present:
    """An object that needs no import, in the place of an entry point: a fake in a test, an adapter of the same program."""

    def __init__(self, value: object) -> None:
        self.value = value

    def load(self) -> Any:
        """Return the object."""
        return self.value


class Group(Generic[T_co]):
    """The installed members of one kind, by name."""

    def __init__(self, kind: str, members: Mapping[str, Loadable], check: Callable[[Any], str | None]) -> None:
        self.kind = kind
        self._members = dict(members)
        self._loaded: dict[str, T_co] = {}
        self._check = check

    def __repr__(self) -> str:
        return f"<Group {self.kind}: {', '.join(self.names) or 'none'}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The words that the configuration may use, sorted."""
        return tuple(sorted(self._members))

    def unknown(self, name: str) -> str:
        """Say that no member has this name, and which there are."""
        return f"no {self.kind} named {name!r}; installed: {', '.join(self.names) or 'none'}{did_you_mean(name, self.names)}"

    def load(self, name: str) -> T_co:
        """Return the member with this name.

        Raises:
            MissingExtraError: It is known, but packages that it needs are not installed.
            PermanentError: There is no such member, or it is broken.
        """
        if name not in self._loaded:
            if name not in self._members:
                raise PermanentError(self.unknown(name))
            self._loaded[name] = self._import(name, self._members[name])
        return self._loaded[name]

    def _import(self, name: str, member: Loadable) -> T_co:
        try:
            found: T_co = member.load()
        except ModuleNotFoundError as error:
            raise _not_installed(self.kind, name, member, error) from error
        except Exception as error:  # whatever a foreign package does while it is imported, the cause is named and twind goes on
            raise PermanentError(f"{self.kind} {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
        fault = self._check(found)
        if fault is not None:
            raise PermanentError(f"{self.kind} {name!r} cannot be used: {fault}")
        return found


class Registry:
    """Every installed source, codec and sink."""

    def __init__(
        self,
        *,
        sources: Mapping[str, Loadable] | None = None,
        codecs: Mapping[str, Loadable] | None = None,
        sinks: Mapping[str, Loadable] | None = None,
        hand_overs: Mapping[str, Loadable] | None = None,
    ) -> None:
        self.sources: Group[Any] = Group("source", sources or {}, _source_fault)
        """Members are `twind.sources.protocol.SourceAdapter`."""
        self.codecs: Group[Any] = Group("codec", codecs or {}, _codec_fault)
        """Members are classes that make a `twind.codecs.protocol.Codec` when called."""
        self.sinks: Group[Adapter] = Group("sink", sinks or {}, _sink_fault)
        self.hand_overs: Group[Any] = Group("hand-over", hand_overs or {}, _hand_over_fault)
        """Members are `twind.flow.shared_streams.SharingAdapter`."""

    @classmethod
    def installed(cls) -> Registry:
        """Return what the installed distributions offer. Nothing is imported yet."""
        everything = metadata.entry_points()  # once: it reads a file of every distribution
        kinds = ("sources", "codecs", "sinks", "hand_overs")
        return cls(**{kind: {point.name: point for point in everything.select(group=f"twind.{kind}")} for kind in kinds})


def _settings_fault(adapter: object, base: type[SettingsModel]) -> str | None:
    settings = getattr(adapter, "settings", None)
    if isinstance(settings, type) and issubclass(settings, base):
        return None
    return f"its `settings` must be a class derived from {base.__name__}"


def _source_fault(adapter: object) -> str | None:
    return _settings_fault(adapter, SourceSettings)


def _sink_fault(adapter: object) -> str | None:
    return _settings_fault(adapter, SettingsModel)


def _hand_over_fault(adapter: object) -> str | None:
    return _settings_fault(adapter, HandOverSettings)


_CODEC_KINDS = ("joints", "pose", "twist", "odometry", "imu", "packed", "clock", "event")
"""Of `twind.codecs.protocol.Codec`, which this room must not import."""


def _codec_fault(codec: object) -> str | None:
    return None if getattr(codec, "kind", None) in _CODEC_KINDS else f"its `kind` must be one of {', '.join(_CODEC_KINDS)}"


def _not_installed(kind: str, name: str, member: Loadable, error: ModuleNotFoundError) -> MissingExtraError | PermanentError:
    """Name the extra that brings the missing module, or say that the installation itself is broken."""
    extra = _extra(name, member)
    own = isinstance(member, metadata.EntryPoint) and (error.name or "").partition(".")[0] == member.module.partition(".")[0]
    if extra is None or own:  # a missing adapter package is a broken installation; no extra would bring it
        return PermanentError(f"{kind} {name!r} cannot be loaded: {error}")
    return MissingExtraError(f"{kind} {name!r} needs packages that are not installed ({error}): pip install {extra!r}")


def _extra(name: str, member: Loadable) -> str | None:
    if not isinstance(member, metadata.EntryPoint) or member.dist is None:
        return None
    # An entry point may name its extra, `mqtt = "twind_mqtt:adapter [mqtt]"`; otherwise an extra of the same name is meant.
    offered = member.dist.metadata.get_all("Provides-Extra") or []
    wanted = next(iter(member.extras), name)
    return f"{member.dist.name}[{wanted}]" if wanted in offered else None
