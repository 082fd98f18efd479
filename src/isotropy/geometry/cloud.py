"""A cloud of points as a set in R^m: its dimension, its points freed from noise, and the directions normal to it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree
from scipy.stats import chi2

from .. import validate
from ..errors import IsotropyError
from .polynomial import Polynomials
from .tangent import local_surface, quadratic_size
from .variety import Blocks, Frame, Surface

Route = Literal["polynomials", "neighbourhoods"]
ROUTES: tuple[Route, ...] = ("polynomials", "neighbourhoods")
"""By the polynomials that nearly vanish, and by local quadratic fits."""

BLOCKS = 10
"""Stretches of the cloud left out in turn to see how far its tangents move."""

HELD_OUT = 240
"""Points at which models of the set, each fitted to the half that a point is not in, are compared."""

FEET = 600
"""Points of a variety at which its normals are looked at: it is known everywhere, so more bring nothing."""

DEGREES = (1, 2, 3, 4, 5)
"""Degrees of the polynomials that are tried."""

LARGEST_SHARE = 0.25
"""Polynomials per point, at most: beyond this some nearly vanish by chance."""

MOST_POLYNOMIALS = 330
"""A space larger than this is left to local fits: its factorisations would take longer than all else."""

GROWTH = 1.6
"""Ratio of successive sizes of neighbourhoods, and of successive counts of polynomials, that are tried."""

TIE = 1.15
"""Models whose held-out distance is within this factor of the best are equals, and the steadiest is taken."""

SIMPLER = 1.2
"""The first, in order of degree and with local fits last, is taken within this factor of the least unsteadiness."""

STEADY = 0.25
"""Unsteadiness above which a model is no model: its normals from two halves of the points hardly agree."""

PLAUSIBLE = 1.3
"""Sets whose held-out distance is within this factor of the least are asked for their symmetries where none is sure."""

WORSE = 3.0
"""Counts of polynomials are tried until the distance is this many times that of the best."""

INNER = 0.8
"""Share of the held-out points, the nearest, whose distances count: a few far off must not decide."""

LOCAL = 0.5
"""Distance from a local fit over the spread along it, above which the neighbourhood is as thick as it is wide."""

JUMP = 2.0
"""Growth of the squared distance per further normal direction at which directions turn from normal to tangent."""

CLEAR_JUMP = 10.0
"""Jumps this many times below the largest do not count (at most so much is asked): the models' own errors make them."""

COARSE = 0.25
"""Distance from a single point, as a share of the cloud's size, where nothing finer is known."""

ROUNDING = 1e3
"""Distances below this many eps times the size of the coordinates are zero."""

NEAR = 10
"""Neighbours whose distances tell the dimension that the points fill."""

SPARSE = 0.7
"""Points that fill less than this share of the dimension of the estimated set lie on a smaller one."""

RARE = 3.0
"""Standard errors by which residuals of neighbours may agree before the model of the set is called too small."""


@dataclass(frozen=True)
class _Model:
    """One way to estimate the set: ``degree`` and ``count`` of polynomials, or (degree 0) ``count`` neighbours."""

    degree: int
    count: int
    distance: float
    unsteadiness: float


class Cloud:
    """Points (p, m) scattered on or near a smooth set in R^m, of a dimension that is found.

    The set is estimated in two ways: as the common zeros of the polynomials of low degree that nearly vanish on the
    points, and by quadratic fits to neighbourhoods. Degree, number of polynomials, size of neighbourhoods and the way
    itself are those with the least distance from points left out. ``dimension`` is chosen where one more normal
    direction would multiply that distance. Noise is taken to be alike in every coordinate, so scale coordinates that
    have units of their own.

    ``surface`` holds the points' feet on the set and its normals there, ``noise`` the standard deviation of a
    coordinate across the set, ``refits`` the surfaces found with a tenth of the points left out in turn. ``route``
    fixes the way; ``seed`` draws the halves that are compared. Raises `IsotropyError` for too few points, points that
    are all equal or mostly repeats, and a cloud as thick as the space is wide.

    >>> angles = np.linspace(0, 6, 60)
    >>> circle = Cloud(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    >>> circle.dimension, circle.route
    (1, 'polynomials')
    """

    def __init__(self, points: Float[np.ndarray, "p m"], *, route: Route | None = None, seed: int = 0) -> None:
        if route not in (None, *ROUTES):
            raise IsotropyError(f"The 'route' parameter of Cloud must be one of {', '.join(ROUTES)}. Got {route!r}.")
        self.points = validate.array(points, "points", ndim=2).astype(np.float64)
        count, m = self.points.shape
        if m < 2:
            raise IsotropyError(f"`points` must have two columns or more, for a set inside R^m. Got {m}.")
        needed = 2 * (m + 1)
        if count < needed:
            raise IsotropyError(
                f"`points` has {count} rows, too few to tell a set in R^{m} from any other: take at least {needed}, "
                f"and hundreds for a curved one."
            )
        different = np.unique(self.points, axis=0)
        if len(different) == 1:
            raise IsotropyError(f"all {count} points are equal: a single point has no tangent directions.")
        if len(different) < max(needed, count / 2):
            raise IsotropyError(
                f"only {len(different)} of the {count} points are different: repeats hold no news of the set, so pass "
                f"each point once, and at least {needed}."
            )
        _, first = np.unique(self.points, axis=0, return_index=True)
        self.points = self.points[np.sort(np.atleast_1d(first))]
        self.seed, self._routes = seed, ROUTES if route is None else (route,)
        self.frame = Frame.of(self.points)
        self._tree = KDTree(self.points)
        largest = float(np.abs(self.points).max())
        self.rounding = ROUNDING * float(np.finfo(np.float64).eps) * max(largest / self.frame.size, 1.0)
        self._floor = self.rounding * self.frame.size
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self.points))
        self.codimension, self.model = self._choose((np.sort(order[0::2]), np.sort(order[1::2])))
        self.noise = self.model.distance

    @property
    def dimension(self) -> int:
        """The intrinsic dimension of the set."""
        return self.points.shape[1] - self.codimension

    @property
    def route(self) -> Route:
        """How the set is estimated: ``polynomials`` or ``neighbourhoods``."""
        return "polynomials" if self.model.degree else "neighbourhoods"

    @property
    def thickness(self) -> float:
        """The noise, or zero where it is no more than rounding."""
        return 0.0 if self.noise <= self._floor else self.noise

    @cached_property
    def base(self) -> Float[np.ndarray, "b m"]:
        """The points whose feet and normals are taken: all, or enough of them where polynomials rule."""
        if self.route == "neighbourhoods" or len(self.points) <= FEET:
            return self.points
        return self.points[np.linspace(0, len(self.points) - 1, FEET).astype(int)]

    @cached_property
    def surface(self) -> Surface:
        """Feet and normals from all points."""
        return self._surface(None)

    @cached_property
    def refits(self) -> tuple[Surface, ...]:
        """Feet and normals with one block of points left out in turn."""
        return tuple(self._surface(k) for k in range(BLOCKS))

    @cached_property
    def weights(self) -> Float[np.ndarray, " b"]:
        """Reliability of each base point, summing to one: least where the normals of the refits differ most."""
        normal = self.surface.projectors
        spread = np.mean([np.sum((again.projectors - normal) ** 2, axis=(1, 2)) for again in self.refits], axis=0)
        middle = float(np.median(spread))
        weights = 1 / (1 + spread / middle) if middle > 0 else np.ones(len(spread))
        return weights / weights.sum()

    @cached_property
    def explained(self) -> bool:
        """Whether what separates points from the set is noise: neighbours on the set must not deviate alike."""
        if self.noise <= self._floor:
            return True
        feet, residuals = self.surface.feet, self.base - self.surface.feet
        near = np.asarray(KDTree(feet).query(feet, k=2)[1])[:, 1]
        agreement = np.einsum("pi,pi->p", residuals, residuals[near])
        cap = np.quantile(np.abs(agreement), 0.95)
        agreement = np.clip(agreement, -cap, cap)
        return bool(agreement.sum() <= RARE * np.sqrt(2 * np.sum(agreement**2)))

    @cached_property
    def filled(self) -> float:
        """The dimension that the points fill on the set, by the distances of their neighbours.

        Source: E. Levina, P. J. Bickel, *Maximum likelihood estimation of intrinsic dimension*, NIPS 17 (2004).
        """
        feet = self.surface.feet
        count = min(NEAR, len(feet) - 1)
        distance = np.asarray(KDTree(feet).query(feet, k=count + 1)[0])[:, 1:]
        distance = np.maximum(distance, self._floor)
        logs = np.log(distance[:, -1:] / distance[:, :-1]).sum(axis=1)
        return float((count - 2) / max(float(logs.mean()), np.finfo(np.float64).tiny))

    @property
    def objection(self) -> str:
        """Why the estimated set may be larger or simpler than the true one; empty where nothing speaks against it."""
        if not self.explained:
            return "neighbouring points lie off the estimated set alike, so it is not the true one"
        if self.filled < SPARSE * self.dimension:
            return (
                f"the points fill only about {self.filled:.1f} of the {self.dimension} dimensions of the estimated set"
            )
        return ""

    @cached_property
    def rivals(self) -> tuple[Cloud, ...]:
        """The same points on each set that lies nearly as near to them as the nearest does, of any dimension."""
        nearest = max(min(model.distance for _, model in self._tried), self._floor)
        near = [pair for pair in self._tried if pair[1].distance <= PLAUSIBLE * nearest]
        return tuple(self._with(codimension, model) for codimension, model in near)

    def _with(self, codimension: int, model: _Model) -> Cloud:
        """This cloud with another estimate of the set."""
        other = copy(self)
        for name in ("base", "surface", "refits", "weights", "explained", "filled", "rivals", "_factors"):
            other.__dict__.pop(name, None)
        other.codimension, other.model, other.noise = codimension, model, model.distance
        if model.degree and model.degree == self.model.degree:
            other.__dict__["_factors"] = self._factors
        return other

    def describe(self) -> str:
        """The set in words."""
        how = (
            f"the zeros of {self.model.count} polynomial(s) of degree {self.model.degree}"
            if self.model.degree
            else f"quadratic fits to {self.model.count} neighbours"
        )
        return (
            f"{len(self.points)} points on a set of dimension {self.dimension}: {how}, thickness {self.thickness:.1e}"
        )

    def __repr__(self) -> str:
        return f"Cloud({self.describe()})"

    def feet(self, points: Float[np.ndarray, "p m"], *, left_out: int | None = None) -> Float[np.ndarray, "p m"]:
        """Where other points come to lie on the set, or on that of one of the refits."""
        return self._at(points, left_out).feet

    def separation(self, points: Float[np.ndarray, "p m"], *, itself: bool = False) -> Float[np.ndarray, " p"]:
        """Distance of points from the nearest foot of the cloud, or from the nearest but one if they are its own."""
        distance = np.asarray(KDTree(self.surface.feet).query(points, k=2)[0])
        return distance[:, 1 if itself else 0]

    @cached_property
    def _stretches(self) -> list[np.ndarray]:
        return np.array_split(np.arange(len(self.points)), BLOCKS)

    @cached_property
    def _factors(self) -> Blocks:
        return Blocks(self.points, self._stretches, self.model.degree, self.frame)

    def _surface(self, left_out: int | None) -> Surface:
        return self._at(self.base, left_out)

    def _at(self, points: np.ndarray, left_out: int | None) -> Surface:
        if self.model.degree:
            kept = [k for k in range(BLOCKS) if k != left_out]
            rows = self._factors.solve(kept)[1][: self.model.count]
            return self._factors.variety(rows).surface(points, self.codimension)
        if left_out is None:
            return local_surface(
                self.points, points, dimension=self.dimension, neighbours=self.model.count, tree=self._tree
            )
        kept = np.delete(np.arange(len(self.points)), self._stretches[left_out])
        fewer = max(self.model.count * len(kept) // len(self.points), quadratic_size(self.dimension))
        return local_surface(self.points[kept], points, dimension=self.dimension, neighbours=fewer)

    def _models(self, halves: tuple[np.ndarray, np.ndarray]) -> tuple[dict[int, list[_Model]], dict[int, list[_Model]]]:
        """Steady models by polynomials, and by neighbourhoods, for each number of normal directions."""
        m = self.points.shape[1]
        global_fits: dict[int, list[_Model]] = {c: [] for c in range(1, m)}
        for degree in DEGREES if "polynomials" in self._routes else ():
            fits = self._polynomial_fits(halves, degree)
            for codimension, model in fits:
                global_fits[codimension].append(model)
            if not fits:
                break
        if "neighbourhoods" not in self._routes:
            return _steady(global_fits), {}
        return _steady(global_fits), _steady({c: self._local_fits(halves, m - c) for c in range(1, m)})

    def _polynomial_fits(self, halves: tuple[np.ndarray, np.ndarray], degree: int) -> list[tuple[int, _Model]]:
        m = self.points.shape[1]
        size = Polynomials(m, degree=degree).dimension
        if size > min(LARGEST_SHARE * len(halves[0]), MOST_POLYNOMIALS):
            return []
        blocks = Blocks(self.points, halves, degree, self.frame)
        (ratios, first), (others, second) = blocks.solve([0]), blocks.solve([1])
        fits: list[tuple[int, _Model]] = []
        best = np.inf
        for count in _counts(np.sqrt(ratios[: len(others)] * others[: len(ratios)])):
            varieties = blocks.variety(first[:count]), blocks.variety(second[:count])
            nearest = np.inf
            for codimension in range(1, min(count, m - 1) + 1):
                distance, unsteadiness = self._compare(
                    halves, *(lambda points, v=v, c=codimension: v.surface(points, c) for v in varieties)
                )
                fits.append((codimension, _Model(degree, count, distance, unsteadiness)))
                nearest = min(nearest, distance)
            best = min(best, nearest)
            if nearest > WORSE * max(best, self._floor):
                break
        return fits

    def _local_fits(self, halves: tuple[np.ndarray, np.ndarray], dimension: int) -> list[_Model]:
        models = []
        parts = [(self.points[half], KDTree(self.points[half])) for half in halves]
        count = int(np.ceil(1.5 * quadratic_size(dimension)))
        while count <= len(halves[0]) // 3:
            distance, unsteadiness = self._compare(
                halves,
                *(
                    lambda points, cloud=cloud, tree=tree, k=count: local_surface(
                        cloud, points, dimension=dimension, neighbours=k, tree=tree
                    )
                    for cloud, tree in parts
                ),
            )
            # Points spread evenly over a ball of dimension d have the variance radius^2 / (d + 2) along each axis.
            radius = np.median(np.asarray(parts[0][1].query(parts[0][0], k=count + 1)[0])[:, -1])
            if distance <= LOCAL * radius / np.sqrt(dimension + 2):
                models.append(_Model(0, 2 * count, distance, unsteadiness))
            count = int(np.ceil(GROWTH * count))
        return models

    def _compare(self, halves: tuple[np.ndarray, np.ndarray], first: Any, second: Any) -> tuple[float, float]:
        """The distance of points from what the other half says, and how far the two halves' normals differ.

        The latter is the mean square of the difference of the projections, as a share of that of random ones.
        """
        places = [half[np.linspace(0, len(half) - 1, min(HELD_OUT // 2, len(half))).astype(int)] for half in halves]
        points = self.points[np.concatenate(places)]
        one, other = first(points), second(points)
        split = len(places[0])
        feet = np.concatenate([other.feet[:split], one.feet[split:]])
        codimension, m = one.normals.shape[1:]
        turned = np.mean(np.sum((one.projectors - other.projectors) ** 2, axis=(1, 2)))
        return _distance(feet - points, codimension), float(turned / (2 * codimension * (m - codimension) / m))

    def _choose(self, halves: tuple[np.ndarray, np.ndarray]) -> tuple[int, _Model]:
        """The number of normal directions and the model for them."""
        ways = self._models(halves)
        self._tried = [(c, model) for way in ways for c, models in way.items() for model in models]
        known = [self._elbow({c: _best(models, self._floor) for c, models in way.items()}) for way in ways]
        found = [(codimension, jump) for codimension, jump in known if codimension]
        if not found:
            raise IsotropyError(
                f"the {len(self.points)} points fill R^{self.points.shape[1]} as far as they can tell: no set of lower "
                f"dimension lies nearer to them than chance allows. Take more points, or less noise."
            )
        # Polynomials may hold a larger set exactly; one that is clearly thinner in some way of looking is the truth.
        clear = [codimension for codimension, jump in found if jump >= CLEAR_JUMP]
        codimension = max(clear) if clear else found[0][0]
        return codimension, _best([model for way in ways for model in way.get(codimension, [])], self._floor)

    def _elbow(self, best: dict[int, _Model]) -> tuple[int, float]:
        """The number of normal directions, 0 if none, and the jump of the squared distance that follows it."""
        if not best:
            return 0, 0.0
        known = sorted(best)
        heights = [c * max(best[c].distance, self._floor) ** 2 for c in known]
        totals = np.interp(np.arange(known[-1] + 1), [0, *known], [0.0, *heights])
        totals = np.append(totals, totals[-1] + (COARSE * self.frame.size) ** 2)
        jumps = {c: float((totals[c + 1] - totals[c]) / (totals[c] / c)) for c in known}
        wanted = float(np.clip(max(jumps.values()) / CLEAR_JUMP, JUMP, CLEAR_JUMP))
        return next(((c, jump) for c, jump in jumps.items() if jump >= wanted), (0, 0.0))


def _steady(fits: dict[int, list[_Model]]) -> dict[int, list[_Model]]:
    kept = {c: [model for model in models if model.unsteadiness <= STEADY] for c, models in fits.items()}
    return {c: models for c, models in kept.items() if models}


def _counts(ratios: np.ndarray) -> list[int]:
    """Numbers of polynomials worth trying: a geometric series, and where the ratios jump most."""
    series = np.unique(np.round(GROWTH ** np.arange(40)).astype(int))
    steps = np.argsort(-ratios[1:] / np.maximum(ratios[:-1], np.finfo(np.float64).tiny), kind="stable")[:6] + 1
    return sorted({int(k) for k in (*series, *steps) if k <= len(ratios)})


def _distance(offsets: np.ndarray, codimension: int) -> float:
    """The standard deviation of a normal coordinate, from the inner share of the points' distances."""
    squares = np.sort(np.sum(offsets**2, axis=1))
    inner = squares[: max(int(np.ceil(INNER * len(squares))), 1)]
    cut = chi2.ppf(INNER, codimension)
    return float(np.sqrt(inner.mean() / (codimension * chi2.cdf(cut, codimension + 2) / INNER)))


def _best(models: list[_Model], floor: float) -> _Model:
    """Among those as near as the best, the simplest of the steadiest."""
    nearest = max(min(model.distance for model in models), floor)
    near = [model for model in models if model.distance <= TIE * nearest]
    least = max(min(model.unsteadiness for model in near), float(np.finfo(np.float64).eps))
    return next(model for model in near if model.unsteadiness <= SIMPLER * least)
