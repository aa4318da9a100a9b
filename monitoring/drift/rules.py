"""Model Monitor's drift rule: a distance of present values over a threshold, whatever the number of rows or columns.

`checks/` and `migrate` need it to say what the managed service would have said. It makes no promise about false alarms: see
`benchmarks/results/drift_decision.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from monitoring.drift import distances
from monitoring.drift.sample import Floats


class ComparisonMethod(StrEnum):
    """`comparison_method` of `constraints.json`. ROBUST takes off what samples of this size differ by chance."""

    SIMPLE = "Simple"
    ROBUST = "Robust"


class CategoricalMethod(StrEnum):
    """`categorical_drift_method` of `constraints.json`."""

    LINF = "LInfinity"
    CHI_SQUARED = "ChiSquared"


@dataclass(frozen=True)
class RuleResult:
    """What the rule says of one column.

    `distance`: what is compared with `threshold`; None where a side has no present value, or chi-square fewer than two
    categories. `is_p_value`: the distance is a p-value, and a *smaller* one violates.
    """

    distance: float | None
    threshold: float
    violated: bool
    method: str
    is_p_value: bool = False


@dataclass(frozen=True)
class ModelMonitorRule:
    """`distribution_constraints` of `constraints.json`, with the service's defaults."""

    comparison_threshold: float = 0.1
    comparison_method: ComparisonMethod = ComparisonMethod.ROBUST
    categorical_comparison_threshold: float = 0.1
    categorical_drift_method: CategoricalMethod = CategoricalMethod.LINF

    def judge(self, baseline_fine: Floats, window_fine: Floats, *, categorical: bool) -> RuleResult:
        """Applies the rule to one column's counts by fine bin, missing values last (they are left out).

        Deequ's chi-square gives a p-value in its robust form and the statistic in its simple form; the service does not
        document which it compares. Here a p-value *below* the threshold violates, in both forms.
        """
        base, wind = baseline_fine[:-1], window_fine[:-1]
        threshold = self.categorical_comparison_threshold if categorical else self.comparison_threshold
        if categorical and self.categorical_drift_method is CategoricalMethod.CHI_SQUARED:
            test = distances.chi_square(wind, base)
            p = None if test is None else test[1]
            return RuleResult(p, threshold, p is not None and p < threshold, CategoricalMethod.CHI_SQUARED, True)
        distance = distances.linf_shares(wind, base) if categorical else distances.linf_cdf(wind, base)
        if distance is not None and self.comparison_method is ComparisonMethod.ROBUST:
            distance = distances.robust(distance, float(wind.sum()), float(base.sum()))
        name = f"{CategoricalMethod.LINF} {self.comparison_method}"
        return RuleResult(distance, threshold, distance is not None and distance > threshold, name)
