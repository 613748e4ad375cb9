from __future__ import annotations

import pytest
from scipy import stats

from twind.estimation.chi_square import chi_square_quantile, chi_square_tail


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 6, 9, 12])
@pytest.mark.parametrize("confidence", [1e-6, 0.05, 0.5, 0.9, 0.975, 0.999, 0.9995, 1 - 1e-9])
def test_quantiles_equal_scipy(dof: int, confidence: float) -> None:
    assert chi_square_quantile(confidence, dof) == pytest.approx(stats.chi2.ppf(confidence, dof), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("dof", [1, 2, 3, 6])
def test_tails_equal_scipy(dof: int) -> None:
    for value in (0.0, 0.1, 1.0, 10.83, 60.0):
        assert chi_square_tail(value, dof) == pytest.approx(stats.chi2.sf(value, dof), rel=1e-12)


@pytest.mark.parametrize(("confidence", "dof"), [(0.0, 1), (1.0, 1), (-1.0, 1), (float("nan"), 1), (0.9, 0)])
def test_what_is_no_confidence_is_refused(confidence: float, dof: int) -> None:
    with pytest.raises(ValueError, match="must"):
        chi_square_quantile(confidence, dof)
