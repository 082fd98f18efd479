"""Recovery of polynomials from few samples: the published grid again, with a certified solver blind to the truth.

F = phi(y(x)), phi a random polynomial of degree d in r features, y orthogonal projections ("ortho") or squared
distances to random centres ("quad"); x uniform in the cube; candidates T(m) or SE(m). For each cell the smallest number
of samples for which minimising ||L[F]||_* subject to the data gives coefficients back to 5e-3 (Otto et al., JMLR
26(248), 2025, figure 3). The norm is the L2 norm on the cube, which does not depend on random points.

    python examples/paper/recovery.py FOLDER --results DIRECTORY [--full]

FOLDER holds the published `ortho_t_n.csv`, `ortho_se_n.csv` and `quad_se_n.csv` (columns m, r, d, seed, n_recover). The
short run takes every size with at most 150 coefficients and seed 0; the full one takes everything. Results are written
cell by cell: a run that was stopped goes on where it was. The figure compares medians with the published ones.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

from isotropy import groups
from isotropy.errors import IsotropyWarning
from isotropy.geometry.polynomial import Polynomials
from isotropy.numerics.convex import Family
from isotropy.numerics.interpolation import Interpolation
from isotropy.numerics.legendre import ProductLegendre
from isotropy.numerics.matrix_map import MatrixMap

EXPERIMENTS = {"ortho_t": ("ortho", "T"), "ortho_se": ("ortho", "SE"), "quad_se": ("quad", "SE")}
ACCURACY = 5e-3
SHORT = 150
COLUMNS = ("experiment", "m", "r", "d", "seed", "n_recover", "coefficients", "published", "seconds", "worst_gap")


@dataclass(frozen=True)
class Cell:
    """One instance of the published grid."""

    experiment: str
    m: int
    r: int
    d: int
    seed: int
    published: int
    coefficients: int


def published(folder: Path) -> list[Cell]:
    """Every instance of the three tables."""
    cells = []
    for name in EXPERIMENTS:
        with (folder / f"{name}_n.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                numbers = {key: int(row[key]) for key in ("m", "r", "d", "seed")}
                cells.append(
                    Cell(name, **numbers, published=int(row["n_recover"]), coefficients=int(row["n_lib"]))
                )  # fmt: skip
    return cells


def instance(cell: Cell) -> tuple[ProductLegendre, np.ndarray, np.ndarray, np.ndarray]:
    """The basis, sample points, values there, and the true coefficients in the basis."""
    kind, _ = EXPERIMENTS[cell.experiment]
    rng = np.random.RandomState(cell.seed)
    inner = Polynomials(cell.r, degree=cell.d)
    weights = rng.rand(inner.dimension)
    if kind == "ortho":
        projection = np.linalg.svd(rng.normal(size=(cell.m, cell.r)))[0][: cell.r]
        features = lambda X: X @ projection.T  # noqa: E731
    else:
        centres = rng.uniform(-1, 1, size=(cell.r, cell.m))
        features = lambda X: ((X[:, None, :] - centres) ** 2).sum(axis=-1)  # noqa: E731
    basis = ProductLegendre(cell.m, cell.d if kind == "ortho" else 2 * cell.d)
    X = rng.uniform(-1, 1, size=(basis.dimension + 1, cell.m))[: basis.dimension]
    check = np.random.RandomState(999).uniform(-1, 1, size=(2 * basis.dimension, cell.m))
    truth = np.linalg.lstsq(basis.values(check), inner.values(features(check)) @ weights, rcond=None)[0]
    return basis, X, inner.values(features(X)) @ weights, truth


def candidates(cell: Cell, basis: ProductLegendre) -> MatrixMap:
    """The generators on coefficients: translations and, for SE, rotations of norm one as matrices."""
    group = groups.T(cell.m) if EXPERIMENTS[cell.experiment][1] == "T" else groups.SE(cell.m)
    point = group.point
    sizes = np.maximum(np.linalg.norm(point.generators(), axis=(1, 2)), 1.0)
    return MatrixMap.sparse(
        [
            basis.field(a / size, b / size)
            for a, b, size in zip(point.generators(), point.offsets(), sizes, strict=True)
        ]
    )  # fmt: skip


def recover(cell: Cell, *, tolerance: float = 1e-6) -> tuple[int, float]:
    """The smallest number of samples, by bisection, and the largest gap of a solution on the way."""
    basis, X, y, truth = instance(cell)
    operator = candidates(cell, basis)
    gram, family = operator.gram(), Interpolation(basis.values(X), y, smallest=1)
    scale, worst = np.abs(truth).max(), 0.0
    low, high = 0, basis.dimension
    while high - low > 1:
        middle = (low + high) // 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IsotropyWarning)  # the gap is kept, and reported below
            answer = Family(family.first(middle), operator, gram=gram).solve(1.0, tolerance=tolerance, iterations=5000)
        worst = max(worst, answer.relative_gap)
        back = np.abs(answer.coefficients[:, 0] - truth).max() / scale < ACCURACY
        low, high = (low, middle) if back else (middle, high)
    return high, worst


def run(cells: list[Cell], path: Path) -> list[dict[str, str]]:
    """Every cell that ``path`` does not hold yet, one line each as it is done."""
    done: list[dict[str, str]] = []
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            done = list(csv.DictReader(file))
    known = {(r["experiment"], r["m"], r["r"], r["d"], r["seed"]) for r in done}
    wanted = [c for c in cells if (c.experiment, *map(str, (c.m, c.r, c.d, c.seed))) not in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not done:
            writer.writeheader()
        for position, cell in enumerate(sorted(wanted, key=lambda c: c.coefficients), 1):
            begin = time.process_time()
            needed, gap = recover(cell)
            row = {
                "experiment": cell.experiment, "m": cell.m, "r": cell.r, "d": cell.d, "seed": cell.seed,
                "n_recover": needed, "coefficients": cell.coefficients, "published": cell.published,
                "seconds": f"{time.process_time() - begin:.2f}", "worst_gap": f"{gap:.1e}",
            }  # fmt: skip
            writer.writerow(row)
            file.flush()
            done.append({key: str(value) for key, value in row.items()})
            spent = time.perf_counter() - start
            print(
                f"\r{position}/{len(wanted)}  {cell.experiment} m={cell.m} r={cell.r} d={cell.d}: {needed} samples "
                f"(published {cell.published}), {spent:.0f} s so far   ",
                end="", file=sys.stderr, flush=True,
            )  # fmt: skip
    print(file=sys.stderr)
    return done


def figure(rows: list[dict[str, str]], path: Path) -> None:
    """Samples needed over coefficients, ours and the published, one panel for each experiment."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in EXPERIMENTS if any(row["experiment"] == name for row in rows)]
    fig, panels = plt.subplots(1, len(names), figsize=(4 * len(names), 3.5), squeeze=False, layout="constrained")
    for axes, name in zip(panels[0], names, strict=True):
        mine = [row for row in rows if row["experiment"] == name]
        for colour, (r, d) in enumerate(sorted({(int(row["r"]), int(row["d"])) for row in mine})):
            groups_of_m: dict[int, list[tuple[float, float]]] = {}
            for row in mine:
                if (int(row["r"]), int(row["d"])) == (r, d):
                    groups_of_m.setdefault(int(row["coefficients"]), []).append(
                        (float(row["n_recover"]), float(row["published"]))
                    )
            sizes = sorted(groups_of_m)
            medians = np.array([np.median(groups_of_m[size], axis=0) for size in sizes])
            axes.loglog(sizes, medians[:, 0], "o-", color=f"C{colour}", ms=3, label=f"r={r}, d={d}")
            axes.loglog(sizes, medians[:, 1], "x--", color=f"C{colour}", ms=4, alpha=0.6)
        axes.set(title=name, xlabel="coefficients", ylabel="samples needed")
        axes.legend(fontsize=6, title="solid ours, dashed published", title_fontsize=6)
    fig.savefig(path, dpi=150)


def summary(rows: list[dict[str, str]]) -> str:
    """Medians per cell against the published ones."""
    cells: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for row in rows:
        key = (row["experiment"], row["m"], row["r"], row["d"])
        cells.setdefault(key, []).append((float(row["n_recover"]), float(row["published"])))
    medians = np.array([np.median(values, axis=0) for values in cells.values()])
    ratios = medians[:, 0] / medians[:, 1]
    above = int(((ratios > 1.05) & (medians[:, 0] > medians[:, 1] + 2)).sum())
    gap = max(float(row["worst_gap"]) for row in rows)
    seconds = sum(float(row["seconds"]) for row in rows)
    return (
        f"{len(rows)} instances in {len(cells)} cells: geometric mean of the ratios to the published samples "
        f"{np.exp(np.log(ratios).mean()):.3f}; {above} cell(s) above by more than 5% and 2 samples; "
        f"largest relative gap {gap:.1e}; {seconds:.0f} s of CPU"
    )


def main() -> None:
    """Run, print the summary and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the published tables")
    parser.add_argument("--results", type=Path, default=Path("out/paper"), help="where results and the figure go")
    parser.add_argument("--full", action="store_true", help="every size and seed")
    arguments = parser.parse_args()
    cells = published(arguments.folder)
    if not arguments.full:
        cells = [c for c in cells if c.coefficients <= SHORT and c.seed == 0]
    name = "recovery_full" if arguments.full else "recovery_short"
    rows = run(cells, arguments.results / f"{name}.csv")
    print(summary(rows))
    figure(rows, arguments.results / f"{name}.png")


if __name__ == "__main__":
    main()
