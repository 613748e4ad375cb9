"""Paths that synthetic bodies follow: closed forms in time, smooth everywhere, in the plane of the world's X and Y."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.model.topology import Vec3

    Floats = NDArray[np.float64]

_HARMONICS = 32
_SHARPNESS = 0.97
"""How far a shuttle's sine is driven into its arc sine: near 1 it travels at constant speed and turns round briskly."""


class Path(Protocol):
    """Where a body is at any time."""

    def at(self, t_s: Floats) -> tuple[Floats, Floats]:
        """Return positions (T, 3) [m] and headings (T,), unwrapped angles about Z from X [rad], at times (T,) [s]."""


@dataclass(frozen=True, slots=True)
class Shuttle:
    """Back and forth along X at nearly constant speed, turning round smoothly, with a slow swing of the heading."""

    centre: Vec3
    half_length: float
    """Largest distance from the centre [m]."""
    period_s: float
    """There and back [s]."""
    phase: float = 0.0
    """Angle within the period at time 0 [rad]."""
    heading: float = 0.0
    """Mean heading [rad]."""
    swing: float = 0.15
    """Amplitude of the heading [rad]; half a period apart from the turns."""

    def at(self, t_s: Floats) -> tuple[Floats, Floats]:
        """Return positions (T, 3) [m] and headings (T,) [rad] at times (T,) [s]."""
        angle = (2.0 * math.pi / self.period_s) * t_s + self.phase
        position = np.empty((*angle.shape, 3))
        position[...] = self.centre
        position[..., 0] += (self.half_length / math.asin(_SHARPNESS)) * np.arcsin(_SHARPNESS * np.sin(angle))
        return position, self.heading + self.swing * np.cos(angle)


@dataclass(frozen=True)
class Ellipse:
    """Round an ellipse, counter-clockwise, looking ahead."""

    centre: Vec3
    semi_axes: tuple[float, float]
    """Along X and along Y [m]."""
    period_s: float
    """One round [s]."""
    phase: float = 0.0
    """Angle on the ellipse at time 0 [rad]."""
    _arc: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Expand the arc length per angle, even and of period pi, into cosines: the series converges geometrically."""
        angle: Floats = np.linspace(0.0, math.pi, 4 * _HARMONICS, endpoint=False)
        series = np.fft.rfft(self._stretch(angle)).real / (2 * _HARMONICS)
        series[0] *= 0.5
        object.__setattr__(self, "_arc", series[:_HARMONICS])

    def at(self, t_s: Floats) -> tuple[Floats, Floats]:
        """Return positions (T, 3) [m] and headings (T,) [rad] at times (T,) [s]."""
        angle = self._angle(t_s)
        (a, b), (x, y, z) = self.semi_axes, self.centre
        position = np.stack([x + a * np.cos(angle), y + b * np.sin(angle), np.full_like(angle, z)], axis=-1)
        # The heading leads the angle by a quarter turn and never by more than another quarter: that unwraps it.
        ahead = angle + 0.5 * math.pi
        lead = np.arctan2(b * np.cos(angle), -a * np.sin(angle)) - ahead
        return position, ahead + np.remainder(lead + math.pi, 2.0 * math.pi) - math.pi

    def distance(self, t_s: Floats) -> Floats:
        """Return the way travelled since time 0 (T,) [m]."""
        return self._length(self._angle(t_s)) - self._length(np.array(self.phase))

    def speed(self, t_s: Floats) -> Floats:
        """Return the forward speed (T,) [m/s]."""
        return self._stretch(self._angle(t_s)) * (2.0 * math.pi / self.period_s)

    def turn_rate(self, t_s: Floats) -> Floats:
        """Return the rate of the heading (T,) [rad/s]."""
        a, b = self.semi_axes
        rate: Floats = (2.0 * math.pi / self.period_s) * a * b / self._stretch(self._angle(t_s)) ** 2
        return rate

    def _angle(self, t_s: Floats) -> Floats:
        return (2.0 * math.pi / self.period_s) * t_s + self.phase

    def _stretch(self, angle: Floats) -> Floats:
        """Return the arc length per angle [m/rad]."""
        a, b = self.semi_axes
        stretch: Floats = np.hypot(a * np.sin(angle), b * np.cos(angle))
        return stretch

    def _length(self, angle: Floats) -> Floats:
        twice = 2.0 * np.arange(1, _HARMONICS)
        waves = np.sin(angle[..., None] * twice) @ (self._arc[1:] / twice)
        length: Floats = self._arc[0] * angle + waves
        return length
