"""Every setting of the daemon, with its unit, its default and why one would change it.

Relative paths are relative to the file that names them, in every setting of type path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, field_validator

from twind.config.address import parse_address
from twind.config.base import HandOverSettings, Secret, SettingsModel, SourceSettings

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Unit = Annotated[float, Field(ge=0, le=1)]


class SnapshotSettings(SettingsModel):
    """A copy of the live layer on disk, for tools that cannot connect."""

    path: Path
    """Folder for `live.usda` (the live layer) and `twin.usda` (which composes it over your root layer). Only one daemon writes
    there: the one that was started last. An older one that still runs is refused, and stops."""
    composed: Path | None = None
    """File that shows the live layers of all shards as one stage; every daemon that names the same file adds its own at its
    start. Best on the volume that holds the snapshot folders of all of them."""
    rate_hz: Annotated[float, Field(gt=0, le=10)] = 2.0
    """How often `live.usda` is replaced [Hz]. Each write costs about 10 ms for 700 links."""


class DeadBandSettings(SettingsModel):
    """How far a state must be from what stands in the stage to be written.

    Each quantity is compared with what was last *written*, so nothing slow is ever lost; 0 writes every change. An entity is
    written as a whole as soon as one of its quantities is off, and always when its quality changes.
    """

    position_m: NotNegative = 2e-6
    """Positions of links and objects in the world, and of prismatic joints [m]. No link stands further than this from where
    the twin has it."""
    rotation_rad: NotNegative = 1e-5
    """Orientations of links and objects, and positions of revolute joints [rad]."""
    velocity_m_s: NotNegative = 1e-3
    """Velocities of prismatic joints [m/s]."""
    velocity_rad_s: NotNegative = 1e-3
    """Velocities of revolute joints [rad/s]."""
    refresh_s: NotNegative = 1.0
    """After how long what changed is written although it is within the dead band [s]: what comes to rest ends at its exact
    value, and `twind:time` of what stands still goes on."""


class StageSettings(SettingsModel):
    """The USD stage that declares the twin and receives its state."""

    root: str
    """Path or URL of the root layer; a relative path is relative to the file that names it. It is never modified."""
    rate_hz: Annotated[float, Field(gt=0, le=240)] = 30.0
    """How often changed state is written to the live layer [Hz]."""
    predict_after_ms: NotNegative = 150.0
    """How old an entity's newest measurement may get before its state is predicted beyond it [ms].

    A state is published for the instant of its newest measurement while that is younger than this; an older one is
    predicted to `now - predict_after_ms`, so the stage never lags further than this behind the machine while it coasts.
    The default is that of `estimation.fresh_ms`, so an entity that is `ok` shows what was measured and one that is `coasting`
    what is predicted. 0 always predicts to now: least lag for slow, smooth machines; more error in the value for fast, jerky
    ones."""
    dead_band: DeadBandSettings = DeadBandSettings()
    """What is too small a change to be written."""
    stale_color: tuple[Unit, Unit, Unit] | None = None
    """Display colour (linear RGB, 0 to 1) that robots and objects take on while they are `stale` or `lost`, and lose exactly
    when they come back; none by default. Renderers show the display colour of shapes that no material is bound to."""
    physics: Literal["keep", "off"] = "keep"
    """`off` switches off rigid bodies, joints and articulations of the twin, in the live layer only, for viewers that
    simulate: there a playing physics engine would pull the links away from where they were measured."""
    snapshot: SnapshotSettings | None = None
    """Where and how often to write the live layer for other tools; off when absent."""


class ShardSettings(SettingsModel):
    """Which entities of the stage this daemon looks after, when several daemons share one stage.

    An entity must pass both settings. What belongs to others is neither estimated nor written; messages about it are counted as
    `other_shard`.
    """

    entities: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Ids, or patterns of ids with `*`, `?` and `[...]`."""
    index: int = Field(default=0, ge=0)
    """Number of this shard, from 0; in a StatefulSet, the pod's ordinal."""
    count: int = Field(default=1, ge=1)
    """Into how many shards entities are dealt out by a hash of their id. 1: all of them are this one's."""


class HttpSettings(SettingsModel):
    """The one HTTP listener: probes, metrics, API."""

    listen: str = "127.0.0.1:8080"
    """`ADDRESS:PORT`; port 0 takes a free one. Any address but loopback needs `token`, or `auth: none` written out."""
    auth: Literal["token", "none"] | None = None
    """`token`: every request but the probes must carry `Authorization: Bearer TOKEN`. `none`: open to everyone who can reach
    the address. Default: `token` when a token is set, else open on loopback only."""
    token: Secret | None = None
    """The bearer token; take it from `${file:...}` or `${cred:...}`."""

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parse_address(value)
        return value


class ViewerSettings(SettingsModel):
    """The live stream at `/live`, for the Omniverse extension, the page and other viewers."""

    max_clients: int = Field(default=64, ge=0)
    """How many may watch at a time; 0 switches the stream off. What one costs is in docs/performance.md."""
    max_rate_hz: Annotated[float, Field(ge=0.1)] | None = None
    """Most frames in a second that anybody gets [Hz]. Default: `stage.rate_hz`, so that nothing is left out."""
    max_bytes_s: Positive = 50e6
    """Most bytes in a second that one viewer gets; then it gets fewer frames, each with the latest values [B/s]."""
    ping_s: Positive = 30.0
    """How often a viewer is asked whether it is there; one that gives no answer within half of this is disconnected [s]."""
    origins: tuple[str, ...] = ()
    """Web pages from elsewhere that may watch, by origin, such as `https://plant.example`. Pages of this daemon need not be
    named, nor programs that are no browsers."""


class PoseSettings(SettingsModel):
    """Noise of pose, twist and IMU streams, where the message states none."""

    position_std_m: Positive = 0.005
    """One sigma of a measured position [m]."""
    rotation_std_rad: Positive = 0.01
    """One sigma of a measured rotation [rad]."""
    acceleration_noise: Positive = 0.8
    """Spectral density (square root) of the acceleration that the filter expects [m/s^2/sqrt(Hz)]; larger follows faster.

    Only where adaptation starts: it chooses between 1/16 and 64 times this by what fits the body's own samples."""
    angular_acceleration_noise: Positive = 1.0
    """The same for rotation [rad/s^2/sqrt(Hz)]."""
    velocity_std_m_s: Positive = 0.05
    """One sigma of a measured velocity (twist) [m/s]."""
    rate_std_rad_s: Positive = 0.05
    """One sigma of a measured angular velocity (twist) [rad/s]."""
    gyro_std_rad_s: Positive = 0.03
    """One sigma of the angular rate of an IMU, its bias included [rad/s]."""
    inertial: bool = False
    """Whether the IMU drives the body between poses, with the biases of its sensors estimated (15 states instead of 12). For a
    body whose IMU is calibrated, fixed to it and faster than its poses."""


class JointNoise(SettingsModel):
    """Noise of joints, and which model follows them."""

    model: Literal["singer", "ca", "cv"] = "singer"
    """How motion goes on between samples. `singer`: an acceleration lasts for a while; `ca`: for ever; `cv`: there is none."""
    adapt: bool = True
    """Whether the jerk noise is the most that is expected, and smoother models take over while they predict better; `false`: it
    is the one model. Leave it on unless you have measured the machine."""
    position_std_rad: Positive = 0.001
    """One sigma of a measured revolute position [rad]. More than the encoder's own: it also covers what the model lacks."""
    position_std_m: Positive = 0.0001
    """One sigma of a measured prismatic position [m]."""
    jerk_noise: Positive = 1000.0
    """Spectral density (square root) of the jerk that the filter expects of revolute joints, at most [rad/s^3/sqrt(Hz)]; larger
    follows faster. Where `adapt` is on, down to 1/3000 of it is covered: a slow arm as well as a pendulum at 10 rad/s. For the
    model `cv` it is that of the acceleration [rad/s^2/sqrt(Hz)]."""
    jerk_noise_m: Positive = 100.0
    """The same for prismatic joints [m/s^3/sqrt(Hz)]."""
    acceleration_tau_s: Positive = 0.5
    """Singer model: how long an acceleration lasts [s]."""
    stamp_std_ms: NotNegative = 0.1
    """One sigma of the jitter of device stamps [ms]: how far a stamp may be from the instant of the measurement. With `adapt`
    joints learn more than this, up to 30 times, from how they move."""
    use_velocity: bool = False
    """Whether reported velocities are used, once they have been seen to agree with the positions. One that lies is disabled."""
    velocity_std: Positive = 0.05
    """One sigma of a reported velocity [rad/s or m/s]."""
    use_effort: bool = False
    """Whether reported efforts (torques, forces) are smoothed and shown. They change no position. One that lies is disabled."""
    effort_tau_ms: NotNegative = 50.0
    """Time constant of the smoothing of efforts [ms]; 0 shows them as they come."""
    wraps_rad: Positive | None = None
    """What one turn measures where positions wrap around: 6.283... or 12.566... [rad]. Default: one turn for continuous joints,
    no wrapping for others."""


class JointSettings(JointNoise):
    """Noise of joint streams, and which model follows them."""

    names: dict[str, JointNoise] = Field(default_factory=dict)
    """What differs for single joints, by joint name; what is not set there is as for the rest of the robot."""


class ClockSettings(SettingsModel):
    """How device stamps are mapped into the daemon's clock."""

    trust_within_ms: NotNegative = 50.0
    """A device whose soonest messages take between 0 and this long is taken to share the daemon's clock, and its stamps are
    used as they are [ms], unless its delays drift steadily, as those of a clock do that nobody sets. One-way delays cannot
    tell a late clock from a slow network. 0 always estimates the offset."""
    window_s: Positive = 30.0
    """How far back one-way delays count for offset and skew [s]."""
    max_skew_ppm: NotNegative = 100.0
    """Bound on the rate difference between two clocks [ppm]."""
    future_ms: Positive = 1000.0
    """A single stamp further ahead of its arrival than this, once mapped, is refused; a lasting change is a clock step [ms]."""


class OverrideSettings(SettingsModel):
    """What differs for one entity; what is not set here is as for all."""

    joints: JointSettings | None = None
    """Noise of the joint stream of this robot."""
    poses: PoseSettings | None = None
    """Noise of the pose stream of this object or mobile robot."""


class EstimationSettings(SettingsModel):
    """How samples become estimates."""

    gate: Annotated[float, Field(gt=0.5, lt=1)] = 0.999
    """Confidence of the chi-square gate: this share of honest samples passes."""
    lag_ms: Positive = 200.0
    """How late a sample may be and still count [ms]."""
    fresh_ms: Positive = 150.0
    """Age below which an entity's quality is `ok` [ms]."""
    coast_ms: Positive = 500.0
    """Age up to which a state is predicted; then it is held and called `stale` [ms]."""
    lost_ms: Positive = 5000.0
    """Age from which an entity is called `lost` [ms]."""
    batch_ms: Annotated[float, Field(ge=0, le=50)] = 2.0
    """How long samples are collected for one kernel call [ms]."""
    joints: JointSettings = JointSettings()
    """Noise of joint streams."""
    poses: PoseSettings = PoseSettings()
    """Noise of pose streams."""
    clock: ClockSettings = ClockSettings()
    """Mapping of device stamps."""
    overrides: dict[str, OverrideSettings] = Field(default_factory=dict)
    """What differs for single entities, by entity id."""


class FolderSettings(HandOverSettings):
    """A folder in which daemons that share the partitions of a hub leave for each other what came on each partition."""

    type: Literal["folder"] = "folder"
    """`folder`, which need not be written; or the name of an adapter, such as `blob`, with settings of its own."""
    path: Path
    """Folder on a volume that all of them mount, with locks that hold across machines (NFS 4, not every object store).
    `stage.snapshot.composed` then shows the stage of all of them."""


class RestartSettings(SettingsModel):
    """How the state survives a restart, or goes to another daemon."""

    snapshot_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Time between two snapshots of the state [s]. What came after the last one is taken from the recording at a restart, else
    from the source, as far as that keeps it. Longer writes less to the disk; shorter starts sooner."""
    rebuild_s: NotNegative = 60.0
    """Where snapshots were there but none can be used, so much of the recording's end is used again [s]."""
    hand_over: SerializeAsAny[HandOverSettings] | None = None
    """For daemons that share the partitions of a hub: a partition goes on with the state that its last owner left. Without it,
    whoever gets a partition begins with what it knows itself. All of them need the same stage and the same names of sources."""


class HealthSettings(SettingsModel):
    """When the daemon calls itself ready and alive."""

    source_grace_s: NotNegative = 10.0
    """How long a source may be away before `/readyz` turns false [s]."""
    stage_grace_s: NotNegative = 5.0
    """How long the stage may fail to be written before `/readyz` turns false [s]."""
    recording_grace_s: NotNegative = 5.0
    """How long a recording may fail to be written, and what it should hold not be acknowledged, before `/readyz` turns false
    [s]."""
    loop_stall_s: Positive = 10.0
    """How long the event loop may stand still before `/livez` turns false [s]."""


class LogSettings(SettingsModel):
    """Structured logs on standard error."""

    format: Literal["auto", "json", "console"] = "auto"
    """`auto`: console on a terminal, JSON elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is written."""
    repeat_s: NotNegative = 10.0
    """The same event of the same component is written at most this often; what was held back is counted in the next [s]."""


class Settings(SettingsModel):
    """One daemon."""

    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] = "twind"
    """Name of this daemon; part of its MQTT client ids and status topic, so it must be unique on a broker."""
    state_dir: Path = Path("state")
    """Folder for what must survive a restart, and for dead letters. The default is `state` in the working directory."""
    stage: StageSettings
    """The USD stage."""
    shard: ShardSettings = ShardSettings()
    """Which entities of the stage are this daemon's."""
    http: HttpSettings = HttpSettings()
    """The HTTP listener."""
    viewers: ViewerSettings = ViewerSettings()
    """The live stream for viewers."""
    sources: dict[str, SerializeAsAny[SourceSettings]] = Field(default_factory=dict)
    """Where samples come from, by a name of your choice. `type` selects the adapter, which adds its own settings."""
    sinks: dict[str, SerializeAsAny[SettingsModel]] = Field(default_factory=dict)
    """Where state goes besides the stage, by a name of your choice. `type` selects the adapter."""
    estimation: EstimationSettings = EstimationSettings()
    """How samples become estimates."""
    restart: RestartSettings = RestartSettings()
    """How the state survives a restart."""
    health: HealthSettings = HealthSettings()
    """When the daemon calls itself ready and alive."""
    log: LogSettings = LogSettings()
    """Structured logs."""
    shutdown_s: Positive = 20.0
    """One deadline for the whole drain at SIGTERM [s]; keep it below the service manager's own."""
