"""Candidates as text: the same action as in Python, and nothing is ever evaluated."""

from __future__ import annotations

import numpy as np
import pytest

from isotropy import Action, groups
from isotropy.candidates import CATALOGUE, action, parse
from isotropy.errors import IsotropyError

XYZ, ABC = ("x", "y", "z"), ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gl(3)", groups.GL(3)),
        (" SO( 1 , 3 ) ", groups.SO(1, 3)),
        ("sim(2)", groups.Similarity(2)),
        ("so(3)*scaling(1)", groups.SO(3) * groups.Scaling(1)),
    ],
)
def test_names_the_group(text, expected):
    assert parse(text, 4) == expected


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_of_the_catalogue_can_be_written(name):
    arguments = {"(n)": "(2)", "(p,q)": "(1,2)"}
    text = next(CATALOGUE[name].written.replace(k, v) for k, v in arguments.items() if k in CATALOGUE[name].written)
    assert parse(text, 8).dimension > 0


@pytest.mark.parametrize(
    ("text", "joint", "expected"),
    [
        ("gl(3)+so(3)", False, lambda: Action.independent(groups.GL(3), groups.SO(3))),
        ("aff(3)", False, lambda: Action(groups.Aff(3).point, 3 * groups.Aff(3).scalar)),
        ("so(3)", True, lambda: Action(groups.SO(3).vector, groups.SO(3).vector)),
    ],
)
def test_acts_as_in_python(text, joint, expected):
    made, reference = action(text, XYZ, ABC, joint=joint), expected()
    x, u = np.array([0.3, -1.0, 2.0], dtype=np.float32), np.array([1.0, 0.5, -0.7], dtype=np.float32)
    np.testing.assert_array_equal(made.base(x), reference.base(x))
    np.testing.assert_array_equal(made.fibre(x, u), reference.fibre(x, u))
    assert (made.variables, made.outputs) == (XYZ, ABC)


def test_a_multiple_of_the_coordinates_is_several_vectors():
    made = action("so(3)", (*XYZ, "u", "v", "w"), ABC, joint=True)
    assert (made.dimension, made.base_dimension, made.fibre_shape) == (3, 6, (3,))


@pytest.mark.parametrize(
    ("text", "joint", "sentence"),
    [
        ("", False, "cannot be read"),
        ("so(3", False, "cannot be read at 'so.3'"),
        ("so", False, "cannot be read"),
        ("so(-3)", False, "cannot be read"),
        ("__import__('os')", False, "cannot be read"),
        ("exec(3)", False, "no candidates called 'exec'"),
        ("scalin(3)", False, "did you mean scaling"),
        ("so(3)+so(3)+so(3)", False, "3 parts"),
        ("so(3)+so(3)", True, "write one group"),
        ("gl(2)", False, "acts on R.2, but there are 3 inputs"),
        ("gl(3)+gl(2)", False, "acts on R.2, but there are 3 outputs"),
        ("gl(9999)", False, "at least 9999 coordinates"),
        ("gl(1,2)", False, "write gl.n."),
        ("gl(0)", False, "at least 1"),
        ("sp(3)", False, "Sp"),
    ],
)
def test_bad_text(text, joint, sentence):
    with pytest.raises(IsotropyError, match=sentence):
        action(text, XYZ, ABC, joint=joint)
