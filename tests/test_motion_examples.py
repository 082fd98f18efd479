"""The examples about motion run; what they find is what is known. The Moon runs as a page of the documentation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def examples(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    for name in ("relative_equilibria", "spring_pendulum"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_three_bodies_turn_as_a_triangle_or_on_a_line(examples, tmp_path):
    import relative_equilibria

    states = relative_equilibria.main(200, tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").stat().st_size > 0
    sides = [np.linalg.norm(x - np.roll(x, 1, axis=0), axis=1) for x in (s[:6].reshape(3, 2) for s in states)]
    # Lagrange: equal sides whatever the masses. Euler: one line for each body that may stand in the middle.
    root = np.sqrt(np.finfo(float).eps)
    equal = [s for s in sides if np.ptp(s) < 100 * root]
    line = [s for s in sides if abs(2 * s.max() - s.sum()) < 100 * root]
    assert (len(equal), len(line), len(sides)) == (1, 3, 4)


@pytest.mark.slow
def test_the_pendulum_trains(examples):
    import spring_pendulum

    errors = spring_pendulum.main(2, 2)
    assert set(errors) == {"free", "promoted", "enforced"}
    assert all(np.isfinite(error) for error in errors.values())
