"""How often is a symmetry invented where F is fitted by radial functions or by networks, which smooth it?

Planted functions of the plane on the square [-1, 1]^2: a radial one, symmetric under rotation, plus a breaking term
that gives rotation, still the nearest to a symmetry among gl(2), a defect of 0, 1.1, 1.5 or 3 times the tolerance on
the points at hand. ``smooth`` ones vary slowly, in ``wavy`` ones both terms vary fast, so that a fit that smooths loses
the breaking term first, and in ``rough`` ones the breaking term alone does, and is lost whole. None is in the span of
the fit. A trial is *false* if something is claimed whose true defect exceeds the tolerance; it is *found* if rotation
is a symmetry and is claimed. Level and tolerance are .05.

Radial functions: as `iso.Data` does, the number of functions is chosen by leave-one-out cross-validation for each trial
and then doubled, and `numerics.certify` decides: 24 settings, 300 trials each. Networks: `iso.Data` with this class
alone and `iso.discover`, as users call them: 11 settings, 100 trials each.

    python benchmarks/calibration_classes.py [--radial 300] [--networks 100] [--budget SECONDS] [--docs]

Each batch is added to benchmarks/results/calibration_KIND.json as it ends; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import isotropy as iso
from isotropy import groups
from isotropy.geometry.regression import radial_spaces, undersmoothed
from isotropy.geometry.restricted import Hull
from isotropy.normalised import Normalised
from isotropy.numerics.certify import certain, supported
from isotropy.numerics.fits import Fits

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "verdicts.md"
PICTURE = HERE.parent / "docs" / "calibration_classes.svg"
START, END = "<!-- classes: written by `make bench-calibration` -->", "<!-- end of classes -->"
LEVEL = TOLERANCE = 0.05
ACTION = iso.Action(groups.GL(2))
"""One object, so that what is compiled for it serves all trials."""
SHAPES, MISSES = ("smooth", "wavy"), (0, 1.1, 1.5, 3)
RADIAL = list(product(SHAPES, MISSES, ((0.01, 300), (0.03, 500), (0.1, 500))))
NETWORKS = [*product(SHAPES, MISSES, ((0.01, 400),)), *product(("rough",), MISSES[1:], ((0.001, 400),))]
BATCH = {"radial": 60, "networks": 20}
RIDGES = (0.0, *(10.0**k for k in range(-24, 1, 2)))


class Planted(eqx.Module):
    """A radial function and what breaks it."""

    shape: str = eqx.field(static=True)
    amount: Any

    def __call__(self, x: Any) -> Any:
        r = x[0] ** 2 + x[1] ** 2
        if self.shape == "wavy":
            return jnp.cos(4 * r) + self.amount * jnp.sin(5 * x[0]) * jnp.cos(4 * x[1])
        if self.shape == "rough":
            return jnp.exp(-r) + self.amount * jnp.sin(12 * x[0]) * jnp.cos(11 * x[1])
        return jnp.exp(-r) + self.amount * (x[0] + 0.5 * x[0] * x[1])


def brackets_of(function: Any, X: np.ndarray) -> np.ndarray:
    """Brackets (p, s) of an invariant function with the candidates of gl(2), these of unit size on the points."""
    with jax.enable_x64(True):
        slope = np.asarray(_slopes(function, jnp.asarray(X)))
    return (slope[:, :, None] * X[:, None, :]).reshape(len(X), 4) @ unit(X) / np.sqrt(len(X))


@eqx.filter_jit
def _slopes(function: Any, X: Any) -> Any:
    return jax.vmap(jax.grad(function))(X)


def unit(X: np.ndarray) -> np.ndarray:
    """Combinations of the matrices E_ij, each column of unit size as a field on the points."""
    values, axes = np.linalg.eigh(np.kron(np.eye(2), X.T @ X / len(X)))
    return axes / np.sqrt(values)


def smallest(function: Any, X: np.ndarray, kind: str) -> float:
    """The least defect, measured as the rule that is on trial measures it."""
    if kind == "networks":
        return float(view(function, X).spectra()[0].values[-1])
    brackets = brackets_of(function, X)
    return float(np.linalg.svd(brackets, compute_uv=False)[-1] / np.sqrt((brackets**2).sum() / brackets.shape[1]))


def view(function: Any, X: np.ndarray) -> Normalised:
    """The operator of `discover`."""
    return Normalised.of(function, ACTION, iso.Samples(X))


def planted(shape: str, miss: float, X: np.ndarray, kind: str) -> Planted:
    """The function with this defect on these points."""

    def with_amount(amount: float) -> Planted:
        # As an array, so that one compilation serves all amounts.
        return Planted(shape, np.asarray(amount))

    if miss == 0:
        return with_amount(0.0)
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = 0.5 * (low + high)
        if smallest(with_amount(middle), X, kind) < miss * TOLERANCE:
            low = middle
        else:
            high = middle
    return with_amount(high)


def problem(setting: Any, kind: str, seed: list[int], trials: int) -> tuple[np.ndarray, np.ndarray, Planted]:
    """Points (p, 2), noisy values (p, trials) and the function."""
    shape, miss, (noise, count) = setting
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(count, 2))
    function = planted(shape, miss, X, kind)
    with jax.enable_x64(True):
        exact = np.asarray(jax.vmap(function)(jnp.asarray(X)))
    return X, exact[:, None] + noise * exact.std() * rng.normal(size=(count, trials)), function


def radial(setting: Any, seed: list[int]) -> list[int]:
    """One batch of trials with radial functions: trials, false, found."""
    X, Y, function = problem(setting, "radial", seed, BATCH["radial"])
    spaces = list(radial_spaces(X, Hull(np.eye(2), np.zeros(2))))
    designs, errors = [], []
    for space in spaces:
        values = space.values(X)
        scale = np.sqrt((values**2).sum(axis=0))
        left, sizes, right = np.linalg.svd(values / scale, full_matrices=False)
        designs.append((scale, left, sizes, right))
        along, best = left.T @ Y, np.full(Y.shape[1], np.inf)
        for ridge in RIDGES:
            shrink = sizes**2 / (sizes**2 + ridge * sizes[0] ** 2)
            left_out = (Y - left @ (shrink[:, None] * along)) / (1 - (left**2) @ shrink)[:, None]
            best = np.minimum(best, (left_out**2).mean(axis=0))
        errors.append(np.sqrt(best))
    chosen = np.array([undersmoothed(list(column)) for column in np.array(errors).T])
    truth = brackets_of(function, X)
    size = np.sqrt((truth**2).sum() / truth.shape[1])
    false = found = 0
    for k in np.unique(chosen):
        columns = np.flatnonzero(chosen == k)
        fits = batch_of_fits(spaces[k], designs[k], X, Y[:, columns])
        frames = fits.propose()
        limits = {"tolerance": TOLERANCE, "level": LEVEL}
        count = np.maximum(supported(fits, frames, **limits), certain(fits, frames, **limits))
        for frame, d in zip(frames, count, strict=True):
            wrong = d > 0 and np.linalg.norm(truth @ frame[:, :d], ord=2) / size > TOLERANCE * (1 + 1e-6)
            false += int(wrong)
            found += int(d > 0 and not wrong and setting[1] == 0)
    return [Y.shape[1], false, found]


def batch_of_fits(space: Any, design: Any, X: np.ndarray, Y: np.ndarray) -> Fits:
    """Unpenalised fits and their brackets, in coordinates in which generators and functions have their size."""
    scale, left, sizes, right = design
    slopes = space.gradients(X) / scale[:, None]
    moved = np.einsum("pfi,pj->pijf", slopes, X).reshape(len(X), 4, -1)
    moved = np.einsum("pqf,qs->psf", moved, unit(X)) / np.sqrt(len(X))
    form = np.einsum("psf,psg->fg", moved, moved) / moved.shape[1]
    weights, axes = np.linalg.eigh(form)
    kept = weights > np.finfo(np.float64).eps * len(weights) * weights[-1]
    roots, axes = np.sqrt(weights[kept]), axes[:, kept]
    back = right.T / sizes
    parameters = (back @ (left.T @ Y)).T
    dof = len(X) - len(sizes)
    variances = ((Y - left @ (left.T @ Y)) ** 2).sum(axis=0) / dof
    operator = moved @ (axes / roots)
    triangle = np.linalg.qr(operator.reshape(len(X), -1), mode="r")
    operator = triangle.reshape(len(triangle), *operator.shape[1:])
    return Fits.of(operator, parameters @ axes * roots, roots[:, None] * (axes.T @ back), variances, dof)


def networks(setting: Any, seed: list[int]) -> list[int]:
    """One batch of trials with networks: trials, false, found."""
    X, Y, function = problem(setting, "networks", seed, BATCH["networks"])
    exact = view(function, X)
    truth = np.concatenate(list(exact.operator.blocks())) * exact.row_scale[0]
    false = found = 0
    for trial, y in enumerate(Y.T):
        data = iso.Data(X, y, classes=("networks",), seed=seed[-1] + trial)
        answer = iso.discover(data, ACTION, tolerance=TOLERANCE, level=LEVEL)
        claimed = answer.coefficients if answer.decision.verdict == "supported" else np.zeros((0, 4))
        inside = claimed @ np.linalg.pinv(exact.seen)
        defect = np.linalg.norm(truth @ exact.seen.T @ np.linalg.qr(inside.T)[0], ord=2) if len(claimed) else 0.0
        false += int(defect > TOLERANCE * (1 + 1e-6))
        found += int(len(claimed) > 0 and defect <= TOLERANCE and setting[1] == 0)
    return [Y.shape[1], false, found]


KINDS = {"radial": (RADIAL, radial), "networks": (NETWORKS, networks)}


def key(kind: str, setting: Any) -> str:
    """The name of a setting in the results."""
    shape, miss, (noise, count) = setting
    return f"{kind} {shape} miss={miss} noise={noise} n={count}"


def load(kind: str) -> dict[str, list[int]]:
    """What has been run: trials, false, found for each setting."""
    path = RESULTS / f"calibration_{kind}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def store(record: dict[str, list[int]], kind: str) -> None:
    """One setting a line."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(record.items()))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"calibration_{kind}.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def grow(kind: str, trials: int, *, budget: float = np.inf) -> dict[str, list[int]]:
    """Adds batches, all settings in turn, until each has ``trials``."""
    record = load(kind)
    settings, batch = KINDS[kind]
    start = time.process_time()
    for done in range(0, trials, BATCH[kind]):
        for place, setting in enumerate(settings):
            entry = record.setdefault(key(kind, setting), [0, 0, 0])
            if entry[0] == done and time.process_time() - start < budget:
                counts = batch(setting, [place, done])
                record[key(kind, setting)] = [a + b for a, b in zip(entry, counts, strict=True)]
                store(record, kind)
    return record


def summary(record: dict[str, list[int]], kind: str) -> dict[str, Any]:
    """Settings, trials, worst share of false finds, settings above the level, and the share found."""
    settings = [s for s in KINDS[kind][0] if record.get(key(kind, s), [0])[0]]
    counts = np.array([record[key(kind, s)] for s in settings])
    limit = stats.binom.ppf(1 - 0.01 / max(len(settings), 1), counts[:, 0], LEVEL)
    true = np.array([s[1] == 0 for s in settings])
    return {
        "settings": len(settings),
        "trials": int(counts[:, 0].min()),
        "worst": float((counts[:, 1] / counts[:, 0]).max()),
        "above": int((counts[:, 1] > limit).sum()),
        "found": float((counts[true, 2] / counts[true, 0]).mean()) if true.any() else float("nan"),
    }


def markdown(record: dict[str, list[int]]) -> str:
    """The table of the documentation."""
    head = "| F is fitted by | settings | trials a setting | worst share of false finds | settings above 0.05 | found |"
    lines = [head, "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for kind, name in (("radial", "radial functions"), ("networks", "networks")):
        if not any(entry[0] for label, entry in record.items() if label.startswith(kind)):
            continue
        s = summary(record, kind)
        lines.append(
            f"| {name} | {s['settings']} | {s['trials']} | {s['worst']:.3f} | {s['above']} | {s['found']:.2f} |"
        )
    return "\n".join(lines)


def picture(record: dict[str, list[int]]) -> None:
    """False finds for each setting by how near the miss is, and what is found where there is no miss."""
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "isotropy"
    kinds = [kind for kind in KINDS if any(label.startswith(kind) for label in record)]
    shape = {"figsize": (4 * len(kinds), 3.2), "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, grid = plt.subplots(1, len(kinds), **shape)
    axes = list(grid[0])
    for axis, kind in zip(axes, kinds, strict=True):
        settings = [s for s in KINDS[kind][0] if record.get(key(kind, s), [0])[0]]
        for form, marker in (("smooth", "o"), ("wavy", "s"), ("rough", "^")):
            for place, word, filled in ((1, "invented", True), (2, "found", False)):
                # What may be invented is a near miss, what may be found is not.
                chosen = [s for s in settings if s[0] == form and (s[1] > 0) == filled]
                shares = [record[key(kind, s)][place] / record[key(kind, s)][0] for s in chosen]
                style = {"alpha": 0.7} if filled else {"mfc": "none"}
                if chosen:
                    axis.plot([s[1] for s in chosen], shares, marker, label=f"{word}, {form}", **style)
        axis.axhline(LEVEL, color="black", lw=0.8)
        axis.set(title="radial functions" if kind == "radial" else kind, xlabel="nearest miss / tolerance")
    axes[0].set(ylabel="share of trials", ylim=(-0.03, 1.03))
    axes[-1].legend(frameon=False, fontsize=8)
    figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    """Run what is missing, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--radial", type=int, default=300, help="trials of each setting with radial functions")
    parser.add_argument("--networks", type=int, default=100, help="trials of each setting with networks")
    parser.add_argument("--budget", type=float, default=np.inf, help="processor time for each of the two")
    parser.add_argument("--docs", action="store_true", help="write the table and the figure of the documentation")
    options = parser.parse_args()
    record = grow("radial", options.radial, budget=options.budget)
    record |= grow("networks", options.networks, budget=options.budget)
    print(markdown(record))
    if options.docs:
        picture(record)
        before, start, rest = PAGE.read_text(encoding="utf-8").partition(START)
        _, end, after = rest.partition(END)
        PAGE.write_text(f"{before}{start}\n{markdown(record)}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
