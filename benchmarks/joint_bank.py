"""Cost of the joint bank on one core: a sample with the ring for late ones, and the prediction of all joints.

Run: python benchmarks/joint_bank.py [JOINTS]. Prints the median and the best of many rounds [ns per joint].
"""

from __future__ import annotations

import sys
import time

import numpy as np

from twind.estimation import JointBank

PER_ROBOT = 7
STEP_NS = 4_000_000
ROUNDS = 80


def main(n_joints: int) -> None:
    """Feed every robot once per round, in an order of their own, and predict all joints."""
    rng = np.random.default_rng(0)
    robots = n_joints // PER_ROBOT
    n_joints = robots * PER_ROBOT
    bank = JointBank(n_joints)
    for kept in (bank._rings, bank._bases):  # noqa: SLF001
        kept[:] = kept  # touch the memory, as a long run would have
    layouts = np.array([bank.add_layout(range(first, first + PER_ROBOT)) for first in range(0, n_joints, PER_ROBOT)], np.int32)
    order = rng.permutation(robots)
    offset = np.arange(robots + 1, dtype=np.int64) * PER_ROBOT
    phase = rng.uniform(0.0, 6.0, n_joints)
    verdict, nis, sigma, skip = np.zeros(n_joints, np.uint8), np.zeros(n_joints), np.zeros(robots), np.zeros(robots, np.uint8)
    out = np.zeros(n_joints), np.zeros(n_joints), np.zeros(n_joints)
    ingest, predict = [], []
    for k in range(ROUNDS):
        t = 10**18 + k * STEP_NS
        values = np.sin(2e-9 * k * STEP_NS + phase)
        stamps = np.full(robots, t)
        begin = time.perf_counter()
        bank.ingest(layouts[order], stamps, sigma, skip, offset, values, verdict, nis)
        between = time.perf_counter()
        bank.predict(np.full(n_joints, t + 50_000_000), *out)
        end = time.perf_counter()
        ingest.append((between - begin) / n_joints * 1e9)
        predict.append((end - between) / n_joints * 1e9)
    for name, values in (("sample", ingest[8:]), ("predict", predict[8:])):
        print(f"{n_joints} joints, {name}: median {np.median(values):.1f} ns, best {np.min(values):.1f} ns")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30_000)
