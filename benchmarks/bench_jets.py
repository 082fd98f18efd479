"""Point symmetries from solutions on grids, against the distances that LieNLSD published (ICML 2025).

Fields are our own (`jet_fields`): three runs of 80 x 64 values of each equation, without noise and with noise of a
hundredth of their spread. A distance is the Grassmann distance, the root of the sum of squared principal angles,
between the span found and that of the equation itself, in coefficients on monomials. LieNLSD picks the number of
generators by hand; here it is found. Its figures are for its own fields: a bar, not a comparison on equal data.

With noise, three other ways are measured on the same fields: all terms of the dictionary kept; terms compared at the
grid points instead of integrated against test functions; and, in place of a leading derivative, the one polynomial in
the jet that nearly vanishes (least ratio of value to slope). The first and the last are told the number of generators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import jet_fields
import numpy as np
from harness import Figure, run

import isotropy as iso
from isotropy.jets import FieldData
from isotropy.jets.coordinates import JetSpace
from isotropy.jets.found import dictionary
from isotropy.jets.relation import Relation, Relations, fit
from isotropy.jets.symmetries import fields_on
from isotropy.jets.tangency import JetTangency
from isotropy.numerics import pencil

PUBLISHED = {"heat": 0.00071, "kdv": 0.0052, "burgers": 0.013, "wave": 0.014}
EQUATIONS: dict[str, tuple[Callable[[Any], Any], int, int]] = {
    "heat": (lambda j: j.u_t - j.u_xx, 2, 3),
    "wave": (lambda j: j.u_tt - j.u_xx, 2, 2),
    "burgers": (lambda j: j.u_t + j.u * j.u_x - j.u_xx, 2, 2),
    "kdv": (lambda j: j.u_t + j.u * j.u_x + j.u_xxx, 3, 2),
}
NOISE = 0.01


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """The Grassmann distance of two spans of rows; that of orthogonal ones where the dimensions differ."""
    if len(found) != len(expected):
        return float(np.sqrt(max(len(found), len(expected))) * np.pi / 2)
    first, second = np.linalg.qr(found.T)[0], np.linalg.qr(expected.T)[0]
    sines = np.linalg.svd(second - first @ (first.T @ second), compute_uv=False)
    return float(np.linalg.norm(np.arcsin(np.clip(sines, 0, 1))))


class AtPoints(FieldData):
    """The same data, with terms compared at grid points."""

    def weak(self, values: np.ndarray, least: int) -> np.ndarray:
        return values


@dataclass(frozen=True)
class Implicit:
    """One polynomial in the jet."""

    space: JetSpace
    active: tuple[int, ...]
    polynomials: Any
    coefficients: np.ndarray
    count: int = 1

    def linearised(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = points[:, self.active]
        slopes = np.zeros((len(points), 1, points.shape[1]))
        slopes[:, 0, self.active] = np.einsum("pfi,f->pi", self.polynomials.gradients(inside), self.coefficients)
        return self.polynomials.values(inside) @ self.coefficients[:, None], slopes


def nearly_vanishing(data: FieldData, jets: JetSpace, second: bool) -> Implicit:
    """The polynomial of degree two in u, u_t, u_x, … with the least ratio of value to slope, in scaled coordinates."""
    names = ["u", "u_t", "u_x", "u_xx", *(jets.names[5:7] if second else ["u_xxx"][: jets.order - 2])]
    places = tuple(jets.find(name) for name in names)
    points = data.jets(jets)[:, places]
    scale = points.std(axis=0)
    space = iso.spaces.Polynomials(len(places), degree=2, variables=names)
    values = space.values(points / scale)
    slopes = space.gradients(points / scale).transpose(0, 2, 1).reshape(-1, space.dimension)
    # The constant has no slope; leaving its mean out of the values leaves it out.
    answer = pencil.solve(
        pencil.triangular(values[:, 1:] - values[:, 1:].mean(axis=0)), pencil.triangular(slopes[:, 1:])
    )
    best = answer.vectors[0]
    coefficients = np.concatenate([[-values[:, 1:].mean(axis=0) @ best], best])
    monomials = np.prod(scale ** np.asarray(space.exponents), axis=1)
    return Implicit(jets, places, space, coefficients / monomials)


def null_of(law: Any, data: FieldData, jets: JetSpace, degree: int, dimension: int) -> np.ndarray:
    """The span of a given dimension that comes nearest to being tangent to a law at jets of the data."""
    points = data.jets(jets)
    points = points[np.random.default_rng(0).choice(len(points), 400, replace=False)]
    if isinstance(law, Relations):
        points = law.onto(points)
    view = JetTangency.of(law, fields_on(jets, degree, None), points)
    return view.spectra(law)[0].null_vectors(dimension) @ view.seen


def other_ways(
    grid: Any, u: np.ndarray, order: int, degree: int, leading: str, expected: np.ndarray
) -> dict[str, float]:
    """Distances by the ways that lost."""
    jets = JetSpace(("t", "x"), ("u",), order)
    data = FieldData(grid, u, periodic="x")
    head = jets.find(leading)
    places, space = dictionary(jets, [head], None, len(data.jets(jets)))
    whole: Relation = fit(data, data.jets(jets), head, places, space, support=np.ones(space.dimension, bool))
    dense = null_of(Relations(jets, (whole,)), data, jets, degree, len(expected))
    strong = iso.symmetries_of(AtPoints(grid, u, periodic="x"), order=order, degree=degree, leading=leading)
    implicit = null_of(nearly_vanishing(data, jets, leading == "u_tt"), data, jets, degree, len(expected))
    return {
        "all terms, told the dimension": distance(dense, expected),
        "at grid points": distance(strong.coefficients, expected),
        "nearly vanishing polynomial, told the dimension": distance(implicit, expected),
    }


def measure(quick: bool) -> list[Figure]:
    figures = []
    for name, (equation, order, degree) in EQUATIONS.items():
        leading = "u_tt" if name == "wave" else "u_t"
        options: dict[str, Any] = {"order": order, "degree": degree, "leading": leading}
        true = iso.symmetries_of(equation, independent="t,x", dependent="u", degree=degree)
        clean, noisy, lost, verdicts, dimensions = [], [], [], [], []
        seeds = range(2 if quick else 5)
        for seed in seeds:
            grid, u = getattr(jet_fields, name)(seed)
            found = iso.symmetries_of(FieldData(grid, u, periodic="x"), **options)
            clean.append(distance(found.coefficients, true.coefficients))
            u = u + NOISE * u.std() * np.random.default_rng(seed).standard_normal(u.shape)
            found = iso.symmetries_of(FieldData(grid, u, periodic="x"), **options)
            noisy.append(distance(found.coefficients, true.coefficients))
            verdicts.append(found.decision.verdict == "supported")
            dimensions.append(found.dimension == true.dimension)
            lost.append(other_ways(grid, u, order, degree, leading, true.coefficients))
        figures.append(Figure(f"{name}: distance without noise, worst of {len(seeds)}", max(clean), PUBLISHED[name]))
        figures.append(Figure(f"{name}: distance at noise .01, median", median(noisy)))
        figures.append(Figure(f"{name}: distance at noise .01, worst", max(noisy)))
        figures.append(Figure(f"{name}: share with the right dimension at noise .01", float(np.mean(dimensions))))
        figures.append(Figure(f"{name}: share called supported at noise .01", float(np.mean(verdicts))))
        for way in lost[0]:
            figures.append(Figure(f"{name}: {way}, noise .01, median", median(part[way] for part in lost)))
    return figures


if __name__ == "__main__":
    run(measure)
