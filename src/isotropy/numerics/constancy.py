"""Which combinations of noisy series are constant in each of several groups, though they differ between groups.

Each group (a motion) gives two estimates of every series from disjoint samples, so that their errors are independent
and the average of a product of both is free of noise, whatever its size. ``within`` is the mean product of both about
the mean of the group, ``between`` that of the means of groups; a combination is judged by the ratio of the first to
their sum, the square of its *drift*. Groups are those at hand; what is random is the noise.

A span is chosen without a group and judged on it, for each group in turn, so that the choice cannot flatter itself. The
drift on the groups is then bounded by Student's t over groups: each counts once, errors inside a group may depend on
one another as they like, and their size may differ from group to group.

Source: R. Ibragimov, U. K. Müller, *t-statistic based correlation and heterogeneity robust inference*, J. Bus. Econ.
Statist. 28 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from .decide import CONSISTENT, numerical_floor

SHARE = 0.02
"""Part of the level spent on the size of the spread, the rest on drift."""

FOLDS = 20
"""Groups are left out one by one, or in so many lots where there are more."""

LOST = 0.25
"""A combination whose variance is noise for more than this share is not judged."""

HARDLY = float(np.finfo(np.float64).eps) ** 0.5
"""Variance, relative to the largest, below which Gram matrices cannot tell a combination from a constant."""

DIRECTIONS = 3
"""Random directions of a span at which it is tested, besides its axes and the one that drifts most."""


@dataclass(frozen=True)
class Groups:
    """What n groups say of f series: mean products (n, f, f) and two independent means (n, f) of each.

    ``within`` is free of noise on average and may have negative eigenvalues; ``noise`` is that of the average of both
    estimates; ``plain`` is the variation of the samples themselves, noise included; ``unresolved`` what of it neither
    the two estimates nor the noise between neighbouring samples accounts for. ``freedom`` is the number of parameters
    behind the estimates of all groups together.
    """

    within: Float[np.ndarray, "n f f"]
    noise: Float[np.ndarray, "n f f"]
    plain: Float[np.ndarray, "n f f"]
    unresolved: Float[np.ndarray, "n f f"]
    first: Float[np.ndarray, "n f"]
    second: Float[np.ndarray, "n f"]
    freedom: float

    def __len__(self) -> int:
        return len(self.within)

    def moved(self, matrix: Float[np.ndarray, "f r"]) -> Groups:
        """The same for combinations of the series, one a column."""
        return self.along(np.broadcast_to(matrix, (len(self), *matrix.shape)))

    def along(self, matrices: Float[np.ndarray, "n f r"]) -> Groups:
        """The same with combinations of its own for each group."""
        within, noise, plain, unresolved = (
            np.einsum("nfr,nfg,ngs->nrs", matrices, part, matrices, optimize=True)
            for part in (self.within, self.noise, self.plain, self.unresolved)
        )
        first, second = (np.einsum("nf,nfr->nr", part, matrices) for part in (self.first, self.second))
        return Groups(within, noise, plain, unresolved, first, second, self.freedom)

    def some(self, kept: np.ndarray) -> Groups:
        """Some of the groups."""
        return Groups(
            self.within[kept],
            self.noise[kept],
            self.plain[kept],
            self.unresolved[kept],
            self.first[kept],
            self.second[kept],
            self.freedom * float(np.mean(kept)),
        )

    @property
    def spread(self) -> Float[np.ndarray, "f f"]:
        """Mean product about the mean of everything, free of noise on average."""
        first, second = self.first - self.first.mean(axis=0), self.second - self.second.mean(axis=0)
        product = first.T @ second / len(self)
        return self.within.mean(axis=0) + (product + product.T) / 2

    @property
    def blur(self) -> Float[np.ndarray, "f f"]:
        """What noise adds to the mean product of the average of both estimates."""
        half = (self.first - self.second - (self.first - self.second).mean(axis=0)) / 2
        return self.noise.mean(axis=0) + half.T @ half / len(self)

    @property
    def weighed(self) -> Float[np.ndarray, "f f"]:
        """What is minimised: drift, and `CONSISTENT` standard errors of it, so that of equals the surest is chosen."""
        return self.within.mean(axis=0) + 2 * CONSISTENT / np.sqrt(self.freedom) * self.noise.mean(axis=0)


@dataclass(frozen=True)
class Constancy:
    """The combinations claimed, and what is known of them and of the others.

    ``vectors`` (r, f) are all those judged, by increasing drift, of unit spread; the first ``dimension`` are claimed.
    ``drifts`` (r,) are estimates, noise taken off, ``errors`` their standard errors as a squared ratio. ``bound`` is an
    upper bound on the drift of every combination in the span claimed, ``next_bound`` that of the span with one more,
    ``lower_bound`` one from below on the least drift beyond the claims. ``certain`` says that noise and all they drift
    by less than the tolerance. ``lost`` combinations vary by less than the noise and were not judged; ``unresolved`` is
    the drift too fast for the samples, where there is a sign of it.
    """

    dimension: int
    vectors: Float[np.ndarray, "r f"]
    drifts: Float[np.ndarray, " r"]
    errors: Float[np.ndarray, " r"]
    bound: float
    next_bound: float
    lower_bound: float
    certain: bool
    lost: int
    unresolved: float
    level: float
    groups: Groups
    held_out: Groups

    def bounds(self, combinations: Float[np.ndarray, "k f"]) -> Float[np.ndarray, " k"]:
        """Upper bounds on the drifts of combinations near the span claimed.

        The larger of two: that of the combination itself, and that of the nearest one in the span when it is chosen
        without the group on which it is judged.
        """
        rows = combinations @ np.linalg.pinv(self.vectors)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        parts = [_bounds(self.groups.within, rows, self.groups, self.level)]
        if self.dimension:
            inside = rows[:, : self.dimension] / np.linalg.norm(rows[:, : self.dimension], axis=1, keepdims=True)
            parts.append(_bounds(self.held_out.within, inside, self.groups, self.level))
        return np.max(parts, axis=0)


def constancy(groups: Groups, *, tolerance: float, level: float, largest: int | None = None) -> Constancy:
    """The largest span of combinations whose drift is below ``tolerance``, but for a chance of ``level``.

    Spans are tried from the smallest up and the first that fails ends it; every direction of a span is tested at the
    full level, since the hypotheses that it is too large are rejected together only if each is. At most ``largest``
    are claimed. Cost: a few eigenvalue problems of size f for each lot of groups.
    """
    unit, lost = _unit(groups)
    inside = groups.moved(unit)
    order = np.linalg.eigh(inside.weighed)[1]
    frame, inside = unit @ order, inside.moved(order)
    r, n = frame.shape[1], len(groups)
    folds = np.arange(n) % min(FOLDS, n)
    frames = [_frame(inside.some(folds != fold)) for fold in range(folds.max() + 1)] if r else []
    limit = r if largest is None else min(r, largest)
    dimension, bound, following, held = 0, 0.0, np.inf, inside
    certain = True
    for d in range(1, limit + 1):
        judged = inside.along(np.stack([_nearest(other[:, :d]) for other in frames])[folds])
        rows = _directions(judged.within.mean(axis=0))
        following = float(_bounds(judged.within, rows, inside, level).max())
        if following > tolerance:
            break
        dimension, bound, held = d, following, judged
        certain = certain and float(_bounds(judged.plain, rows, inside, level).max()) <= tolerance
    drifts = np.sqrt(np.maximum(np.diagonal(inside.within.mean(axis=0)), 0.0))
    errors = np.diagonal(inside.within.std(axis=0, ddof=1), axis1=0, axis2=1) / np.sqrt(n)
    return Constancy(
        dimension=dimension,
        vectors=frame.T,
        drifts=drifts,
        errors=errors,
        bound=bound,
        next_bound=following,
        lower_bound=_lower(inside, dimension),
        certain=bool(dimension and certain),
        lost=lost,
        unresolved=_unresolved(inside, dimension, level),
        level=level,
        groups=inside,
        held_out=held,
    )


def _unit(groups: Groups) -> tuple[Float[np.ndarray, "f r"], int]:
    """Combinations of unit spread that are uncorrelated over everything, and how many were lost in noise."""
    seen = groups.spread + groups.blur
    size = np.sqrt(np.maximum(np.diagonal(seen), 0.0))
    # Constants have the spread that rounding gives them.
    means = np.sqrt(((groups.first + groups.second) ** 2).mean(axis=0)) / 2
    live = size > HARDLY * (means + size)
    scale = np.where(live, 1 / np.where(live, size, 1.0), 0.0)
    values, axes = np.linalg.eigh(seen * np.outer(scale, scale))
    kept = values > max(HARDLY * values[-1], 0.0)
    frame = axes[:, kept] / np.sqrt(values[kept]) * scale[:, None]
    shares, axes = np.linalg.eigh(frame.T @ groups.blur @ frame)
    clear = shares <= LOST
    frame = frame @ axes[:, clear]
    values, axes = np.linalg.eigh(frame.T @ groups.spread @ frame)
    clear_lost = int((~clear).sum())
    positive = values > 0
    return frame @ (axes[:, positive] / np.sqrt(values[positive])), clear_lost + int((~positive).sum())


def _frame(groups: Groups) -> Float[np.ndarray, "r r"]:
    """All combinations by increasing drift, in the spread of these groups."""
    spread = groups.spread
    values, axes = np.linalg.eigh(spread)
    floor = numerical_floor(np.float64, len(spread), float(values[-1]))
    inverse = axes / np.sqrt(np.maximum(values, floor))
    return inverse @ np.linalg.eigh(inverse.T @ groups.weighed @ inverse)[1]


def _nearest(span: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r d"]:
    """For each of the first axes the combination of another span that stands for it: turned, and of the same size."""
    basis = np.linalg.qr(span)[0]
    left, _, right = np.linalg.svd(basis[: span.shape[1]].T)
    return basis @ left @ right


def _directions(form: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "c d"]:
    """Unit vectors at which a span is tested: its axes, those of its drift, and a few at random."""
    d = len(form)
    random = np.random.default_rng(0).normal(size=(DIRECTIONS, d))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    return np.concatenate([np.eye(d), np.linalg.eigh(form)[1].T, random])


def _bounds(
    forms: Float[np.ndarray, "n d d"], rows: Float[np.ndarray, "c d"], groups: Groups, level: float
) -> Float[np.ndarray, " c"]:
    """Upper confidence bounds on drifts, from the ``forms`` of each group in combinations of unit spread."""
    n, d = len(forms), rows.shape[1]
    each = np.einsum("cd,nde,ce->nc", rows, forms, rows, optimize=True)
    error = each.std(axis=0, ddof=1) / np.sqrt(n)
    squares = each.mean(axis=0) + stats.t.ppf(1 - (1 - SHARE) * level, n - 1) * error
    floor = numerical_floor(np.float64, groups.within.shape[1] ** 2, 1.0)
    # The spread is that of a sum of squares of true means and noise: off by two standard errors of a mean.
    blur = np.maximum(np.einsum("cd,de,ce->c", rows, groups.blur[:d, :d], rows, optimize=True), 0.0)
    size = 1.0 - stats.norm.ppf(1 - SHARE * level) * np.sqrt(blur / n)
    return np.sqrt(np.maximum(squares, floor)) / np.maximum(size, np.finfo(np.float64).tiny)


def _lower(groups: Groups, count: int) -> float:
    """A lower bound on the least drift but ``count``: the true ``count + 1`` best meet what ``count`` leave out.

    The least value of what is estimated lies below the least of the truth on average, so that it needs no correction
    for being chosen. Its error is that of a sum of products of two halves with independent noise, counted
    `CONSISTENT` times: how much groups differ in truth does not matter here.
    """
    n, rest = len(groups), groups.within[:, count:, count:]
    if rest.shape[1] == 0:
        return float("inf")
    row = np.linalg.eigh(rest.mean(axis=0))[1][:, 0]
    each, noise = (
        np.maximum(np.einsum("d,nde,e->n", row, form, row), 0.0) for form in (rest, groups.noise[:, count:, count:])
    )
    error = 2 * np.sqrt(np.sum((each + noise) * noise) / (groups.freedom / n)) / n
    mean = float(np.einsum("d,nde,e->n", row, rest, row).mean())
    return float(np.sqrt(max(mean - CONSISTENT * error, 0.0)))


def _unresolved(groups: Groups, count: int, level: float) -> float:
    """The largest fast drift in a span that differs from zero, for all its axes together; zero where none does."""
    each = np.diagonal(groups.unresolved[:, :count, :count], axis1=1, axis2=2)
    if count == 0:
        return 0.0
    n = len(each)
    least = each.mean(axis=0) - stats.t.ppf(1 - level / count, n - 1) * each.std(axis=0, ddof=1) / np.sqrt(n)
    return float(np.sqrt(np.maximum(np.where(least > 0, each.mean(axis=0), 0.0), 0.0).max()))
