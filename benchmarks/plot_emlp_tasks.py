"""Draw benchmarks/results/emlp_tasks.json: test error against the number of samples, for each task.

python benchmarks/plot_emlp_tasks.py docs/tutorials/emlp_tasks.svg
"""

from __future__ import annotations

import json
import sys

import matplotlib
import matplotlib.pyplot as plt
from emlp_tasks import PUBLISHED, RESULTS

TITLES = {"o5": "O(5) invariant", "inertia": "O(3): moment of inertia", "lorentz": "O(1,3): scattering"}


def main() -> None:
    """One panel for each task; points are single runs, lines their medians."""
    matplotlib.rcParams |= {"svg.hashsalt": "isotropy", "svg.fonttype": "none"}
    rows = json.loads(RESULTS.read_text())
    figure, panels = plt.subplots(1, 3, figsize=(9.5, 3.2), layout="constrained")
    for panel, (name, title) in zip(panels, TITLES.items(), strict=True):
        curves = {
            "isotropy": ("C0", "o", ours(rows, name, "isotropy")),
            "EMLP (published)": ("C1", "s", PUBLISHED["EMLP"][name]),
            "MLP (published)": ("0.5", "^", PUBLISHED["their MLP"][name]),
        }
        for label, (colour, marker, values) in curves.items():
            sizes = sorted(values)
            panel.loglog(sizes, [sorted(values[n])[len(values[n]) // 2] for n in sizes], color=colour, label=label)
            for n in sizes:
                panel.loglog([n] * len(values[n]), values[n], marker, color=colour, markersize=4)
        panel.set(title=title, xlabel="training samples")
    panels[0].set_ylabel("test MSE")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(sys.argv[1], metadata={"Date": None})


def ours(rows: list[dict], name: str, model: str) -> dict[int, list[float]]:
    """The errors of all seeds for each number of samples."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if (row["task"], row["model"]) == (name, model):
            found.setdefault(row["samples"], []).append(row["mse"])
    return found


if __name__ == "__main__":
    main()
