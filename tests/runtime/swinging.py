"""An arm of two links that swings in gravity, and the torques that this takes."""

from __future__ import annotations

import numpy as np

M1, M2, L1, C1, C2, I1, I2, G = 8.0, 4.0, 0.6, 0.3, 0.25, 0.3, 0.1, 9.81


class Machine:
    """Each joint runs a sum of three sines; torques by the equations of the planar two-link arm (Spong, section 6.4).

    Friction is Coulomb's, a share of the greatest pull of gravity at each joint. Encoders step by 0.1 mrad, torques are noisy.
    """

    def __init__(self, seed: int, *, friction: float = 0.2, amplitude: float = 0.6) -> None:
        self._random = np.random.default_rng(seed)
        self._rate = self._random.uniform(0.4, 3.0, (2, 3))
        self._phase = self._random.uniform(0.0, 6.28, (2, 3))
        self._size = amplitude * self._random.uniform(0.3, 1.0, (2, 3)) / self._rate
        self._centre = self._random.uniform(-2.0, 2.0, 2)
        self._friction = friction * np.array([(M1 * C1 + M2 * L1) * G, M2 * C2 * G])

    def at(self, t: float) -> tuple[list[float], list[float]]:
        """Return positions [rad] and torques [N m]."""
        angle = self._rate * t + self._phase
        q = self._centre + (self._size * np.sin(angle)).sum(axis=1)
        v = (self._size * self._rate * np.cos(angle)).sum(axis=1)
        a = -(self._size * self._rate**2 * np.sin(angle)).sum(axis=1)
        c, h = np.cos(q[1]), -M2 * L1 * C2 * np.sin(q[1])
        d12 = I2 + M2 * (C2 * C2 + L1 * C2 * c)
        inertia = np.array([[I1 + M1 * C1**2 + M2 * (L1**2 + C2**2 + 2 * L1 * C2 * c) + I2, d12], [d12, I2 + M2 * C2**2]])
        coriolis = np.array([h * v[1] * (2.0 * v[0] + v[1]), -h * v[0] ** 2])
        tip = M2 * C2 * G * np.cos(q[0] + q[1])
        gravity = np.array([(M1 * C1 + M2 * L1) * G * np.cos(q[0]) + tip, tip])
        torque = inertia @ a + coriolis + gravity + self._friction * np.sign(v)
        noisy = torque + self._random.normal(0.0, 0.3, 2)
        return (np.round(q / 1e-4) * 1e-4).tolist(), noisy.tolist()
