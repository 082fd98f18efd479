"""Promoted SINDy against STLSQ, SR3 and weak SINDy on noisy trajectories, where only a part of the candidates is true.

Two systems: a precession about a tilted axis, with the rotations SO(3) as candidates of which those about the axis are
true; and Lorenz's, with the three reflections of axes as candidates, of which one product of two is. Every method sees
the same noisy trajectories. STLSQ and SR3 see them smoothed by one Gaussian process for all coordinates, weak SINDy as
they are; ours is fitted both ways, with the smoothed ones and in the weak form, and finds its symmetry each time from
the very rows it fits. Thresholds are treated alike for all methods, in three ways:

- ``default``: .1, as PySINDy has it (for Lorenz alone: about the axis it would remove true terms);
- ``chosen``: that of `THRESHOLDS` whose fits to four fifths of the trajectories predict the others best;
- ``nearest``: that of `THRESHOLDS` which brings the method nearest the truth, data set by data set, as no user could.

About the axis ours has no threshold, since the directions it keeps are estimated; the rivals' zero is least squares.
Results are kept in the JSON file and only missing ones are computed. ``--plot`` draws the documentation's figure.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pysindy as ps
from smoothing import hyperparameters, smoothed

from isotropy import Action, groups
from isotropy.pysindy import PromotedSINDy, SymmetricSTLSQ

RESULTS = Path(__file__).parent / "results" / "pysindy_promoted.json"
FIGURE = Path(__file__).parents[1] / "docs" / "pysindy_promoted.svg"
NOISE = (0.01, 0.02, 0.05, 0.1, 0.2)
THRESHOLDS = {"axis": (0.0, 0.005, 0.01, 0.02, 0.05), "lorenz": (0.0, 0.05, 0.1, 0.2, 0.5)}
RULES = {"axis": ("chosen", "nearest"), "lorenz": ("default", "chosen", "nearest")}
DEFAULT, FOLDS, DOMAINS = 0.1, 5, 100
AXIS = np.array([1.0, 2.0, 2.0]) / 3


def precession(x: np.ndarray) -> np.ndarray:
    along, spin = (x @ AXIS)[..., None], np.cross(AXIS, x)
    return spin * (1 + 0.5 * along) - 0.1 * x + 0.2 * ((x**2).sum(axis=-1, keepdims=True) * AXIS - along * x)


def lorenz(x: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(x, -1, 0)
    return np.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], axis=-1)


def start_lorenz(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform(-1, 1, (count, 3)) * [15, 20, 15] + [0, 0, 25]


SYSTEMS = {
    "axis": (precession, lambda rng, count: rng.standard_normal((count, 3)), 20, 100, 0.1),
    "lorenz": (lorenz, start_lorenz, 10, 200, 0.01),
}
SIGNS = groups.Group((), components=[np.diag(d) for d in ([-1.0, 1, 1], [1.0, -1, 1], [1.0, 1, -1])], name="signs")
CANDIDATES = {"axis": Action.vector_field(groups.SO(3)), "lorenz": Action.vector_field(SIGNS)}


def trajectories(system: str, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) and noisy states (k, T, 3); the noise is a part of the root mean square of all states."""
    field, start, count, steps, dt = SYSTEMS[system]
    rng = np.random.default_rng(seed)
    x, fine = start(rng, count), 4
    out, h = [x], dt / fine
    for _ in range((steps - 1) * fine):
        a = field(x)
        b = field(x + h / 2 * a)
        c = field(x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + field(x + h * c))
        out.append(x)
    states = np.stack(out[::fine], axis=1)
    level = noise * np.sqrt((states**2).mean())
    return dt * np.arange(steps), states + level * rng.standard_normal(states.shape)


def truth(system: str) -> np.ndarray:
    points = np.random.default_rng(0).standard_normal((60, 3))
    design = np.asarray(ps.PolynomialLibrary(degree=2).fit_transform(points))
    return np.linalg.lstsq(design, SYSTEMS[system][0](points), rcond=None)[0].T


def rounded(value: float) -> float:
    """Five digits: those that the file keeps."""
    return float(f"{value:.5g}")


class Seen(ps.STLSQ):
    """What a model hands to its optimizer, kept so that several can be fitted to the same."""

    def fit(self, x_, y, **options):
        self.arrays = np.asarray(x_), np.asarray(y)
        return super().fit(x_, y, **options)


class Data(NamedTuple):
    """What an optimizer is given: terms and derivatives (or integrals of both), and the trajectory of each row."""

    terms: np.ndarray
    targets: np.ndarray
    trajectory: np.ndarray

    @classmethod
    def of(cls, seen: Seen, count: int) -> Data:
        terms, targets = seen.arrays
        return cls(terms, targets, np.repeat(np.arange(count), len(terms) // count))


Maker = Callable[[float], Any]


def chosen(make: Maker, data: Data, thresholds: Sequence[float]) -> float:
    """The threshold whose fits to four fifths of the trajectories best predict the derivatives along the others."""
    total = np.zeros(len(thresholds))
    folds = data.trajectory % FOLDS
    spread = data.targets.var(axis=0)
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        for k, threshold in enumerate(thresholds):
            fitted = make(threshold).fit(data.terms[inside], data.targets[inside])
            left = data.targets[outside] - data.terms[outside] @ fitted.coef_.T
            total[k] += ((left**2) / spread).sum()
    return thresholds[int(total.argmin())]


def errors(make: Maker, data: Data, exact: np.ndarray, thresholds: Sequence[float]) -> dict[str, float]:
    """The error of a coefficient with PySINDy's threshold, with that chosen by cross-validation, and with the best."""

    def error(threshold: float) -> float:
        fitted = make(threshold).fit(data.terms, data.targets)
        return rounded(np.sqrt(((fitted.coef_ - exact) ** 2).mean()))

    every = {threshold: error(threshold) for threshold in thresholds}
    default = {"default": every[DEFAULT]} if DEFAULT in every else {}
    return default | {"chosen": every[chosen(make, data, thresholds)], "nearest": min(every.values())}


def promoted(system: str, data: Data, exact: np.ndarray, library: Any) -> dict[str, Any]:
    """Ours: the symmetry once from all the data, and then the threshold as for the rivals, inside what it leaves."""
    first = PromotedSINDy(CANDIDATES[system], library, threshold=0.0).fit(data.terms, data.targets)
    kept = first.symmetries_
    record: dict[str, Any] = {}
    if system == "axis":
        record["kept"] = kept.dimension
        turn = kept.generators[0] if kept.dimension == 1 else np.zeros((3, 3))
        axis = np.array([turn[2, 1], turn[0, 2], turn[1, 0]])
        size = np.linalg.norm(axis)
        record["degrees"] = rounded(np.degrees(np.arccos(min(abs(axis @ AXIS) / size, 1)))) if size else None
        record["right"] = kept.dimension == 1
        if kept.dimension:
            # No threshold applies to directions that were estimated.
            error = rounded(np.sqrt(((first.coef_ - exact) ** 2).mean()))
            return record | dict.fromkeys(RULES[system], error)
    matrices = [np.diag(element.matrix).tolist() for element in kept.components if element.kept]
    if system == "lorenz":
        record["kept"] = len(matrices)
        record["right"] = matrices == [[-1.0, -1.0, 1.0]]
    action = None
    if matrices:
        action = Action.vector_field(groups.Group((), components=[np.diag(d) for d in matrices], name="kept"))
    return record | errors(lambda h: SymmetricSTLSQ(action, library, h), data, exact, THRESHOLDS[system])


def trial(system: str, noise: float, seed: int, logs: np.ndarray) -> dict[str, dict[str, Any]]:
    """The errors of all methods on one data set."""
    t, states = trajectories(system, noise, seed)
    centre = states.mean(axis=(0, 1))
    columns = (states - centre).transpose(1, 0, 2).reshape(len(t), -1)
    count = len(states)
    shape = (len(t), count, 3)
    x, v = (part.reshape(shape).transpose(1, 0, 2) for part in smoothed(t, columns, logs))
    x, v, exact = list(x + centre), list(v), truth(system)

    pointwise, integrated = Seen(), Seen()
    ps.SINDy(optimizer=pointwise).fit(x, t=t, x_dot=v)
    np.random.seed(seed)  # noqa: NPY002  (PySINDy draws the domains from the global generator)
    library = ps.WeakPDELibrary(
        function_library=ps.PolynomialLibrary(degree=2), spatiotemporal_grid=t, K=DOMAINS, H_xt=10 * (t[1] - t[0])
    )
    ps.SINDy(optimizer=integrated, feature_library=library).fit(list(states), t=t)
    levels = THRESHOLDS[system]
    plain, weak = Data.of(pointwise, count), Data.of(integrated, count)
    return {
        "promoted": promoted(system, plain, exact, None),
        "promoted, weak": promoted(system, weak, exact, library),
        "STLSQ": errors(lambda h: ps.STLSQ(threshold=h), plain, exact, levels),
        "SR3": errors(lambda h: ps.SR3(reg_weight_lam=h**2 / 2, relax_coeff_nu=1.0, unbias=True), plain, exact, levels),
        "weak": errors(lambda h: ps.STLSQ(threshold=h), weak, exact, levels),
    }


METHODS = ("promoted, weak", "promoted", "STLSQ", "SR3", "weak")
PANELS = {
    ("axis", "chosen"): "SO(2) inside SO(3): a tilted axis",
    ("lorenz", "default"): "Lorenz: PySINDy's threshold",
    ("lorenz", "nearest"): "Lorenz: the best threshold",
}


def means(results: dict, system: str, rule: str) -> tuple[list[float], np.ndarray]:
    """Levels of noise, and the mean error (levels, methods) at each."""
    levels = [noise for noise in NOISE if results.get(f"{system} {noise}")]
    rows = [list(results[f"{system} {noise}"].values()) for noise in levels]
    return levels, np.array([[np.mean([row[m][rule] for row in some]) for m in METHODS] for some in rows])


def plot(results: dict) -> None:
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "isotropy"
    names = ("promoted, weak form", "promoted", "STLSQ", "SR3", "weak SINDy")
    figure, axes = plt.subplots(1, len(PANELS), figsize=(11, 3.9), layout="constrained")
    for panel, ((system, rule), title) in zip(axes, PANELS.items(), strict=True):
        levels, errors_of = means(results, system, rule)
        for column, name, mark in zip(errors_of.T, names, "Dosv^", strict=True):
            ours = name.startswith("promoted")
            panel.loglog([100 * n for n in levels], column, marker=mark, label=name, ls="-" if ours else "--")
        panel.set(title=title, xlabel="noise, % of the states' size")
        panel.set_xticks([100 * n for n in NOISE], [f"{100 * n:g}" for n in NOISE])
        panel.minorticks_off()
    axes[0].set_ylabel("error of a coefficient")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names), frameon=False)
    figure.savefig(FIGURE, metadata={"Date": None})


def print_table(results: dict) -> None:
    for system in SYSTEMS:
        for noise in NOISE:
            rows = list(results.get(f"{system} {noise}", {}).values())
            if rows:
                right = [f"{np.mean([row[m]['right'] for row in rows]):.2f}" for m in METHODS[:2]]
                print(f"{system} {noise:4} data sets {len(rows)}  right subgroup (weak form, and not) {right}")
        for rule in RULES[system]:
            levels, errors_of = means(results, system, rule)
            for noise, row in zip(levels, errors_of, strict=True):
                print(f"{system} {noise:4} {rule:8}", {m: f"{e:.3g}" for m, e in zip(METHODS, row, strict=True)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 50), help="the first, and one beyond the last")
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS))
    parser.add_argument("--plot", action="store_true", help="draw the figure from what is there, and stop")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.plot:
        print_table(results)
        plot(results)
        return
    logs: dict[str, np.ndarray] = {}
    for seed in range(*options.seeds):
        for system in options.systems:
            for noise in NOISE:
                key = f"{system} {noise}"
                if str(seed) in results.setdefault(key, {}):
                    continue
                if key not in logs:
                    logs[key] = trial_logs(system, noise)
                record = trial(system, noise, seed, logs[key])
                # Read again: another process may have added seeds of its own.
                results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
                results.setdefault(key, {})[str(seed)] = record
                # In one step, so that the other never reads half a file.
                fresh = RESULTS.with_suffix(f".{os.getpid()}")
                fresh.write_text(json.dumps(results, sort_keys=True) + "\n")
                fresh.replace(RESULTS)
    print_table(results)


def trial_logs(system: str, noise: float) -> np.ndarray:
    """The smoothing, fitted to the first data set and used for all."""
    t, states = trajectories(system, noise, 0)
    return hyperparameters(t, (states - states.mean(axis=(0, 1))).transpose(1, 0, 2).reshape(len(t), -1))


if __name__ == "__main__":
    main()
