"""Time samples that are written as text read back as the very values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Vt

from twind.stage.samples import kind_of, lines

ARRAYS = {
    "double": (Vt.DoubleArray, ()), "float": (Vt.FloatArray, ()), "half": (Vt.HalfArray, ()),
    "double3": (Vt.Vec3dArray, (3,)), "float3": (Vt.Vec3fArray, (3,)), "half3": (Vt.Vec3hArray, (3,)),
    "quatd": (Vt.QuatdArray, (4,)), "quatf": (Vt.QuatfArray, (4,)), "quath": (Vt.QuathArray, (4,)),
    "matrix4d": (Vt.Matrix4dArray, (4, 4)),
}  # fmt: skip


def _read(type_name: str, text: str) -> list[tuple[float, Any]]:
    layer = Sdf.Layer.CreateAnonymous("t.usda")
    layer.ImportFromString(f'#usda 1.0\ndef "p"\n{{\n    custom {type_name} a.timeSamples = {{\n{text}    }}\n}}\n')
    path = Sdf.Path("/p.a")
    return [(time_s, layer.QueryTimeSample(path, time_s)) for time_s in layer.ListTimeSamplesForPath(path)]


@pytest.mark.parametrize("type_name", ARRAYS)
def test_values_come_back_bit_by_bit(type_name: str) -> None:
    array, shape = ARRAYS[type_name]
    rng = np.random.default_rng(7)
    numbers = rng.normal(size=(200, *shape)) * np.exp(
        rng.normal(scale=1.0 if type_name in {"half", "half3", "quath"} else 8.0, size=(200, *shape))
    )
    numbers[3], numbers[5] = 0.0, 6e-8
    dtype = {"half": np.float16, "quath": np.float16, "half3": np.float16, "float": np.float32, "float3": np.float32,
             "quatf": np.float32}.get(type_name, np.float64)  # fmt: skip
    values = array.FromNumpy(np.ascontiguousarray(numbers.astype(dtype)))
    kind = kind_of(Sdf.ValueTypeNames.Find(type_name))
    rows = kind.stored(kind.numbers(values).reshape(200, kind.width), None)
    times_s = [index / 7 for index in range(200)]
    found = _read(type_name, "".join(lines(kind, times_s, rows, None, indent="        ")))
    assert [time_s for time_s, _ in found] == times_s
    for (_, value), written in zip(found, values, strict=True):
        assert value in ((written, -written) if type_name.startswith("quat") else (written,))


def test_tokens_and_whole_numbers_come_back() -> None:
    words = kind_of(Sdf.ValueTypeNames.Token)
    rows = words.numbers(["ok", "coasting", "lost", "stale"]).reshape(-1, 1)
    assert [value for _, value in _read("token", "".join(lines(words, [0.0, 1.0, 2.0, 3.0], rows, None, indent="")))] == [
        "ok", "coasting", "lost", "stale",
    ]  # fmt: skip
    whole = kind_of(Sdf.ValueTypeNames.Int64)
    text = "".join(lines(whole, [0.0, 0.5], np.array([[0.0], [2.0**53 - 1]]), None, indent=""))
    assert [value for _, value in _read("int64", text)] == [0, 2**53 - 1]


def test_a_sample_between_its_likes_is_left_out_and_no_other() -> None:
    kind = kind_of(Sdf.ValueTypeNames.Double)
    values = [1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0]
    kept = _read("double", "".join(lines(kind, [*map(float, range(9))], np.array(values).reshape(-1, 1), None, indent="")))
    assert kept == [(0.0, 1.0), (2.0, 1.0), (3.0, 2.0), (4.0, 2.0), (5.0, 3.0)]


def test_a_rotation_goes_on_where_it_came_from_over_the_border_of_two_pieces() -> None:
    kind = kind_of(Sdf.ValueTypeNames.Quatd)
    turning = np.array([[np.sin(angle), 0.0, 0.0, np.cos(angle)] for angle in np.linspace(0.0, 6.0, 40)])
    turning[1::2] *= -1.0
    whole = kind.stored(turning, None)
    first = kind.stored(turning[:17], None)
    assert np.array_equal(np.concatenate([first, kind.stored(turning[17:], first[-1])]), whole)
    assert ((whole[1:] * whole[:-1]).sum(axis=1) > 0).all()
    halfway = Gf.Slerp(0.5, *(Gf.Quatd(row[0], *row[1:]) for row in whole[10:12].tolist()))
    assert halfway.GetReal() == pytest.approx(np.cos((np.linspace(0, 6, 40)[10] + np.linspace(0, 6, 40)[11]) / 2), abs=1e-12)
