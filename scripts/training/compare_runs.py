"""Compare trainings by their curves: held-out losses at equal CPU hours, and what a fitted power law says of more.

python scripts/training/compare_runs.py runs/a/run runs/b/run [--hours 40] [--from-hours 0.2]

loss(hours) = end + gain * hours^-slope, fitted by least squares to the validations after --from-hours, with the slope
between 0.05 and 2. An extrapolation of an hour to forty is a guess: it is printed with the range that leaving out any
one validation gives.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import curve_fit

LOSSES = ("translations", "rotations", "sequence", "inverse_folding", "hidden_translations", "hidden_rotations", "loss")
Floats = npt.NDArray[np.floating]


def power_law(hours: Floats, end: float, gain: float, slope: float) -> Floats:
    """Return end + gain * hours^-slope."""
    return end + gain * hours**-slope


def at(hours: Floats, losses: Floats, wanted: float) -> float:
    """Return the fitted loss at that many hours."""
    start = (losses[-1] - 0.2, losses[0] - losses[-1] + 0.2, 0.5)
    bounds = ((-np.inf, 0.0, 0.05), (np.inf, np.inf, 2.0))
    found, _ = curve_fit(power_law, hours, losses, p0=start, bounds=bounds, maxfev=20_000)
    return float(power_law(np.array(wanted), *found))


def main() -> None:
    """Print a table for each loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of `gm-multimodal train`, with a curve.csv")
    parser.add_argument("--hours", type=float, default=40.0, help="CPU hours to look forward to")
    parser.add_argument("--from-hours", type=float, default=0.2, help="earlier validations are left out")
    options = parser.parse_args()
    curves = {run: pd.read_csv(run / "curve.csv") for run in options.runs}
    common = min(float(curve.cpu_hours.max()) for curve in curves.values())
    print(f"| loss | run | residues | at {common:.2f} h | held-out less trained | at {options.hours:g} h, fitted |")
    print("|---|---|---|---|---|---|")
    for name in LOSSES:
        for run, curve in curves.items():
            hours, losses = curve.cpu_hours.to_numpy(), curve[f"validation/{name}"].to_numpy()
            now = float(np.interp(common, hours, losses))
            gap = f"{losses[-1] - curve[f'fitted/{name}'].iloc[-1]:+.3f}" if f"fitted/{name}" in curve else ""
            late = hours >= options.from_hours
            fitted = "too few"
            if late.sum() >= 5:
                x, y = hours[late], losses[late]
                others = [at(np.delete(x, k), np.delete(y, k), options.hours) for k in range(len(x))]
                fitted = f"{at(x, y, options.hours):.3f} ({min(others):.3f} to {max(others):.3f})"
            print(f"| {name} | {run} | {int(curve.residues_seen.iloc[-1]):,} | {now:.3f} | {gap} | {fitted} |")


if __name__ == "__main__":
    main()
