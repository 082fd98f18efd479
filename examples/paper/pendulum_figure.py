"""The figure of the double spring pendulum: validation errors, singular values during training, test errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

LOOK = 100
"""Steps between two looks at the validation trajectories."""


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Three panels from all results with the largest number of steps; medians, and bands from least to most."""
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "isotropy"
    import matplotlib.pyplot as plt

    steps = max(row["steps"] for row in rows)
    rows = [row for row in rows if row["steps"] == steps]
    names = list(dict.fromkeys(row["model"] for row in rows))
    colours = {name: f"C{k}" for k, name in enumerate(names)}
    shown = 25 if any(row["trajectories"] == 25 for row in rows) else rows[0]["trajectories"]
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.6))
    for row in rows:
        if row["trajectories"] == shown:
            curves = np.array(row["validation"])
            at = LOOK * np.arange(1, curves.shape[1] + 1)
            axes[0].plot(at, np.median(curves, axis=0), color=colours[row["model"]], label=row["model"])
    axes[0].set(yscale="log", xlabel="steps", ylabel="validation error", title=f"{shown} trajectories")
    promoted = [row for row in rows if row["trajectories"] == shown and row["singular values"]]
    wanted = [row for row in promoted if "SO(3)" in row["model"] or "SE(3)" in row["model"]]
    styles = dict(zip([row["model"] for row in wanted], ("-", "--", ":"), strict=False))
    for row in wanted:
        values = np.array(row["singular values"])[0]
        for k in range(values.shape[1]):
            axes[1].plot(
                LOOK * np.arange(1, len(values) + 1),
                values[:, k] / values[:, 0],
                styles.get(row["model"], "-"),
                color=colours[row["model"]],
                label=row["model"] if k == 0 else None,
            )
    axes[1].set(yscale="log", xlabel="steps", ylabel="singular value over the largest", title="what the penalty keeps")
    for name in names:
        here = sorted((r for r in rows if r["model"] == name), key=lambda r: r["trajectories"])
        at = [r["trajectories"] for r in here]
        axes[2].plot(at, [np.median(r["test"]) for r in here], "o-", color=colours[name], label=name)
        axes[2].fill_between(
            at, [min(r["test"]) for r in here], [max(r["test"]) for r in here], color=colours[name], alpha=0.08
        )
    axes[2].set(xscale="log", yscale="log", xlabel="trajectories", ylabel="test error", title=f"after {steps} steps")
    counts = sorted({row["trajectories"] for row in rows})
    axes[2].set_xticks(counts, [str(count) for count in counts])
    axes[2].minorticks_off()
    axes[2].legend(fontsize=7)
    if wanted:
        axes[1].legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
