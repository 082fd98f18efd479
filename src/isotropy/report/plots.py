"""Figures of the answers: the spectrum and its floor, generators as fields or orbits, laws along the motions, the data.

Every function returns a Matplotlib figure that knows nothing of pyplot: save it with ``figure.savefig(path)``, or show
it as the last value of a notebook's cell.
"""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from ..dynamics import Trajectories
from ..numerics.decide import Decision
from ..numerics.path import ROUGH, Path
from ..results.discovery import Discovery
from ..results.fit import Fit
from ..results.laws import Laws
from . import generators
from .theme import QUIET, SERIES, themed

MOST_PANELS = 9
"""Generators or laws drawn; the rest are in the text."""

MOST_ROWS = 24
"""Generators whose defects are drawn."""

MOST_POINTS = 1200
"""Points drawn of one motion or cloud: more would only make the file larger."""

STYLES = ("-", "--", "-.", ":")
"""Lines of the surviving generators named beside a path, at most so many; the rest are drawn as the last."""

LINE = 78
"""Characters of a generator's text on one line beside a path, and of at most two."""

SIMILAR = 3
"""Ranges of two coordinates within this factor are drawn in equal units."""


def spectrum_figure(
    values: Float[np.ndarray, " s"],
    decision: Decision,
    *,
    label: str,
    floors: Float[np.ndarray, " s"] | None = None,
) -> Figure:
    """Singular values, largest first, with those taken for zero set apart and the floor drawn as a line.

    ``floors``, in the order of ``values``, draw as a band what rounding and noise could make of a zero in each
    direction.
    """
    with themed():
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        _draw_spectrum(figure.add_subplot(), values, decision, label, floors)
    return figure


def defects_figure(found: Discovery) -> Figure | None:
    """The defect of each generator with its upper confidence bound, and the tolerance that they had to stay below.

    None where there is no bound to show: of exact derivatives, or where nothing was found.
    """
    if found.bounds is None or not found.dimension:
        return None
    shown = min(found.dimension, MOST_ROWS)
    defects, bounds = found.defects[:shown], found.bounds[:shown]
    positive = np.concatenate([part[(part > 0) & np.isfinite(part)] for part in (defects, bounds)])
    foot = float(positive.min(initial=1.0)) / 3
    places = np.arange(shown)
    with themed():
        figure = Figure(figsize=(5.2, 1.2 + 0.32 * shown), layout="constrained")
        axes = figure.add_subplot()
        starts, ends = np.maximum(defects, foot), np.maximum(np.where(np.isfinite(bounds), bounds, 1.0), foot)
        axes.hlines(places, starts, ends, color=SERIES[0], linewidth=1.6)
        axes.plot(starts, places, "o", color=SERIES[0], markersize=5, label="defect")
        axes.plot(ends, places, "|", color=SERIES[0], markersize=12, markeredgewidth=1.6, label="upper bound")
        tolerance = found.settings.get("tolerance")
        if tolerance:
            axes.axvline(tolerance, color=SERIES[1], linewidth=1.2, linestyle="--", label="tolerance")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_yticks(places, [generators.label(found, k) for k in range(shown)])
        axes.set_ylim(shown - 0.5, -0.5)
        axes.set_xlabel("share of the generator's action")
        axes.legend(loc="best", fontsize="small")
    return figure


def generators_figure(found: Discovery, points: Float[np.ndarray, "p m"] | None = None) -> Figure | None:
    """Each generator: arrows in the plane, orbits of a few points in space, a table of coefficients beyond.

    ``points`` set the region that is drawn (the box [-1, 1] without them). None where there is nothing to draw.
    """
    shown = min(found.dimension, MOST_PANELS)
    if not shown:
        return None
    rows, columns = _grid(shown)
    with themed():
        figure = Figure(figsize=(3.1 * columns, 3.0 * rows), layout="constrained")
        for k in range(shown):
            generators.draw(figure, (rows, columns, k + 1), found, k, points)
    return figure


def discovery_figure(found: Discovery, points: Float[np.ndarray, "p m"] | None = None) -> Figure:
    """The spectrum with its floor and, below it, the generators: what ``Discovery.plot()`` shows."""
    shown = min(found.dimension, MOST_PANELS)
    rows, columns = _grid(shown)
    with themed():
        figure = Figure(figsize=(max(3.1 * columns, 5.2), 3.0 * (rows + 1)), layout="constrained")
        grid = figure.add_gridspec(rows + 1, columns)
        upper = figure.add_subplot(grid[0, :])
        _draw_spectrum(upper, found.spectrum, found.decision, "singular value", found.floors)
        for k in range(shown):
            generators.draw(figure, grid[1 + k // columns, k % columns], found, k, points)
    return figure


def path_figure(fit: Fit) -> Figure:
    """Singular values and held-out error along the strengths of a promoted fit, the chosen one marked.

    Surviving generators are set apart by name from what was given up; all are drawn as parts of the largest singular
    value on the path, and zeros at the foot. Where no path was followed, the spectrum of the fit's symmetries.
    """
    path = fit.path
    if path is None:
        return spectrum_figure(fit.symmetries.spectrum, fit.symmetries.decision, label="singular value")
    with themed():
        figure = Figure(figsize=(5.6, 6.0), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1.0))
        _draw_path(upper, path, fit.symmetries)
        lower.errorbar(path.strengths, path.error, yerr=path.spread, color=SERIES[0], linewidth=1.2, capsize=2)
        lower.set_ylabel("held-out error")
        lower.set_xlabel("strength")
        lower.set_xscale("log")
        lower.xaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
        lower.xaxis.set_minor_formatter(NullFormatter())
        for axes in (upper, lower):
            axes.axvline(path.strengths[path.chosen], color=SERIES[1], linewidth=1.2, linestyle="--", label="chosen")
        figure.legend(*upper.get_legend_handles_labels(), loc="outside upper left", fontsize="small", handlelength=3)
    return figure


def laws_figure(laws: Laws, motions: Trajectories) -> Figure | None:
    """Each law's value along every motion: level lines, at different heights, are what a law looks like."""
    shown = min(laws.dimension, MOST_PANELS)
    if not shown:
        return None
    rows, columns = _grid(shown)
    values = laws.values(motions.states)
    with themed():
        figure = Figure(figsize=(max(3.1 * columns, 5.2), 2.4 * rows + 0.5), layout="constrained")
        for k in range(shown):
            axes = figure.add_subplot(rows, columns, k + 1)
            for motion, rows_of in _motions(motions):
                axes.plot(
                    _share(motions.times[rows_of]),
                    values[rows_of, k],
                    color=SERIES[motion % len(SERIES)],
                    linewidth=1.4,
                )
            axes.set_title(f"I{k + 1}")
            axes.set_xlabel("time, from first to last")
            axes.set_xticks([])
            axes.margins(y=0.25)
        _legend(figure, motions)
    return figure


def motions_figure(motions: Trajectories, variables: tuple[str, ...]) -> Figure:
    """The motions in their first two coordinates, or against time where there is only one."""
    with themed():
        figure = Figure(figsize=(5.2, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for motion, rows in _motions(motions):
            states, colour = motions.states[rows], SERIES[motion % len(SERIES)]
            if states.shape[1] == 1:
                axes.plot(motions.times[rows], states[:, 0], color=colour, linewidth=1.2)
            elif len(rows) == 1:
                axes.plot(states[:, 0], states[:, 1], ".", color=colour, markersize=3)
            else:
                axes.plot(states[:, 0], states[:, 1], color=colour, linewidth=1.2)
        axes.set_xlabel("time" if len(variables) == 1 else variables[0])
        axes.set_ylabel(variables[min(1, len(variables) - 1)])
        _keep_shape(axes)
        _legend(figure, motions)
    return figure


def samples_figure(points: Float[np.ndarray, "p m"], variables: tuple[str, ...]) -> Figure:
    """The points looked at, in their first two coordinates, or as a histogram where there is only one."""
    with themed():
        figure = Figure(figsize=(5.2, 3.8), layout="constrained")
        axes = figure.add_subplot()
        chosen = points[_evenly(len(points))]
        if points.shape[1] == 1:
            axes.hist(points[:, 0], bins=min(40, max(5, len(points) // 10)), color=SERIES[0])
            axes.set_ylabel("samples")
        else:
            axes.plot(chosen[:, 0], chosen[:, 1], ".", color=SERIES[0], markersize=3, alpha=0.7)
            axes.set_ylabel(variables[1])
            _keep_shape(axes)
        axes.set_xlabel(variables[0])
    return figure


def _draw_path(axes: Axes, path: Path, found: Discovery) -> None:
    """The size of A(w) along what survives, and its singular values on the rest of what the data see."""
    survivors = np.zeros((len(path.strengths), 0))
    if path.directions is None:
        others = path.spectra
    else:
        survivors = path.along(found.coefficients)
        others = path.across(np.concatenate([found.coefficients, found.unseen.coefficients]))
    top = float(path.spectra.max(initial=0.0)) or 1.0
    shown = np.concatenate([survivors, others], axis=1) / top
    # Below the gap to which a path is solved a value says nothing: it counts as zero.
    least = max(float(shown.min(initial=1.0)), ROUGH)
    foot = least / 2
    heights = np.where(shown < least, foot, shown)
    told = found.decision.verdict != "cannot tell" and path.directions is not None
    quiet = "given up" if told else "candidates"
    count = survivors.shape[1]
    for k, values in enumerate(heights.T[:count]):
        style = STYLES[min(k, len(STYLES) - 1)]
        text = _shortened(found.generator_text[k]) if k < len(STYLES) else None
        axes.plot(path.strengths, values, color=SERIES[0], linewidth=1.8, linestyle=style, label=text, zorder=2.5)
    for k, values in enumerate(heights.T[count:]):
        axes.plot(path.strengths, values, color=QUIET, linewidth=1.1, label=None if k else quiet)
    if (shown < least).any():
        where = path.strengths[(shown < least).any(axis=1)]
        axes.plot(where, np.full(len(where), foot), "v", color=QUIET, markersize=5, label="zero", zorder=3)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(foot / 1.5, 1.5)
    axes.set_ylabel("singular values over the largest")


def _shortened(text: str) -> str:
    """At most two lines of a generator's text."""
    # No line ends inside a term.
    lines = textwrap.wrap(text.replace(" ∂", "\u00a0∂"), LINE, break_long_words=False)
    return "\n".join(lines[:2]) + (" …" if len(lines) > 2 else "")


def _draw_spectrum(axes: Axes, values: Any, decision: Decision, label: str, floors: Any = None) -> None:
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    values = values[order]
    places = np.arange(1, len(values) + 1)
    positive = values[values > 0]
    top = float(positive.max(initial=decision.floor or 1.0))
    least = min(float(positive.min(initial=top)), decision.floor or top)
    # An exact zero has no place on a logarithmic axis: it is drawn at the foot.
    foot = least / 10
    heights = np.maximum(values, foot)
    kept = len(values) - decision.nullity
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    if kept:
        axes.plot(places[:kept], heights[:kept], "o", color=QUIET, markersize=5, label="not zero")
    if decision.nullity:
        axes.plot(
            places[kept:],
            heights[kept:],
            "D",
            color=SERIES[0],
            markersize=6,
            fillstyle="none",
            markeredgewidth=1.6,
            label="taken for zero",
        )
    if decision.floor > 0:
        axes.axhline(decision.floor, color=SERIES[1], linewidth=1.2, linestyle="--", label="floor")
    if floors is not None and len(values):
        heads = np.asarray(floors, dtype=np.float64)[order]
        edges = np.repeat(np.arange(len(values) + 1) + 0.5, 2)[1:-1]
        band = {"color": SERIES[1], "alpha": 0.16, "linewidth": 0}
        axes.fill_between(edges, foot / 3, np.repeat(np.maximum(heads, foot / 3), 2), label="within the noise", **band)
    axes.set_ylim(foot / 3, top * 10)
    axes.set_xlabel("rank")
    axes.set_ylabel(label)
    axes.locator_params(axis="x", integer=True, nbins=10)
    if axes.lines:
        axes.legend(loc="best", fontsize="small")


def _grid(panels: int) -> tuple[int, int]:
    """Rows and columns for some panels: at most three across, and four as a square."""
    columns = {0: 1, 1: 1, 2: 2, 4: 2}.get(panels, 3)
    return -(-panels // columns), columns


def _motions(motions: Trajectories) -> list[tuple[int, np.ndarray]]:
    rows = [(k, np.flatnonzero(motions.index == k)) for k in range(motions.count)]
    return [(k, found[_evenly(len(found))]) for k, found in rows]


def _evenly(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int))


def _keep_shape(axes: Axes) -> None:
    """Equal units on both axes where neither would be squeezed flat: circles are then drawn as circles."""
    width, height = np.diff(axes.get_xlim())[0], np.diff(axes.get_ylim())[0]
    if max(width, height) <= SIMILAR * min(width, height):
        axes.set_aspect("equal", adjustable="datalim")


def _share(times: np.ndarray) -> np.ndarray:
    """Times from 0 to 1, so that slow and fast motions share an axis."""
    length = times[-1] - times[0]
    return (times - times[0]) / length if length else np.zeros(len(times))


def _legend(figure: Figure, motions: Trajectories) -> None:
    labels = [str(label) for label in motions.labels]
    if motions.labels == (None,) or len(labels) > len(SERIES):
        return
    handles = [Line2D([], [], color=SERIES[k], linewidth=2) for k in range(len(labels))]
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)), fontsize="small")
