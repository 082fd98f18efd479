"""The example of a training loop runs; with so few steps it finds nothing yet."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
def test_the_loop_runs(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import penalty_loop

    try:
        found, held = penalty_loop.main(20)
    finally:
        sys.modules.pop("penalty_loop", None)
    assert abs(np.linalg.norm(found) - 1) <= 1e-4
    assert list(held) == ["no penalty", "two stages", "averaged over the turns"]
    assert all(np.isfinite(error) for error in held.values())
    assert f"accepted: {min(held, key=lambda name: held[name])}" in capsys.readouterr().out
