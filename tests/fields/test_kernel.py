"""Equivariant kernels: how many there are, by representation theory, and that they are equivariant."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import isotropy as iso
from isotropy import fields, groups

BOUND = 1e-10


def elements(group, reps, seed):
    """Group elements on the vectors and on each of ``reps``: one near the identity's component, one from each other."""
    rng = np.random.default_rng(seed)
    xi = rng.normal(size=group.dimension)
    smooth = [expm(np.tensordot(xi, rep.generators(), 1)) if len(xi) else np.eye(rep.dimension) for rep in reps]
    yield smooth
    for k in range(len(group.components)):
        yield [rep.components()[k] @ part for rep, part in zip(reps, smooth, strict=True)]


def defect(kernels, seed):
    group = kernels.source.group
    rng = np.random.default_rng(seed + 1)
    x = rng.normal(size=(5, group.vector.dimension))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    with jax.enable_x64(True):
        at = lambda points: np.asarray(jax.vmap(kernels)(jnp.asarray(points)))  # noqa: E731
        worst = 0.0
        for g, h, k in elements(group, (group.vector, kernels.target, kernels.source), seed):
            moved = np.einsum("wa,pkab,vb->pkwv", h, at(x), np.linalg.inv(k).T)
            worst = max(worst, np.abs(at(x @ g.T) - moved).max())
    return worst


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)])
def test_rotations_of_space(a, b):
    G = groups.SO(3)
    kernels = fields.kernel_basis(G.irrep(a), G.irrep(b), degree=a + b + 1)
    assert kernels.dimension == 2 * min(a, b) + 1
    assert kernels.frequencies == tuple(range(abs(a - b), a + b + 1))
    assert defect(kernels, 0) <= BOUND


def test_reflections_take_the_frequencies_of_the_wrong_parity():
    G = groups.O(3)
    even, odd = G.irrep(1, "e"), G.irrep(1, "o")
    assert fields.kernel_basis(odd, odd, degree=3).frequencies == (0, 2)
    assert fields.kernel_basis(even, odd, degree=3).frequencies == (1,)
    assert defect(fields.kernel_basis(even, odd, degree=3), 0) <= BOUND


@pytest.mark.parametrize(("m", "n"), [(0, 0), (0, 2), (1, 1), (1, 2)])
def test_rotations_of_the_plane(m, n):
    """Frequencies |m - n| and m + n, each with two kernels where both fields turn (Weiler and Cesa 2019, table 8)."""
    G = groups.SO(2)
    kernels = fields.kernel_basis(G.irrep(m), G.irrep(n), degree=m + n + 1)
    expected = {0: 1} if m == n == 0 else {max(m, n): 2} if m == 0 or n == 0 else {abs(m - n): 2, m + n: 2}
    assert {j: kernels.frequencies.count(j) for j in kernels.frequencies} == expected
    assert defect(kernels, 0) <= BOUND


def test_reflections_of_the_plane_halve_them():
    G = groups.O(2)
    assert fields.kernel_basis(G.vector, G.vector, degree=3).frequencies == (0, 2)
    assert fields.kernel_basis(G.scalar, G.vector, degree=3).frequencies == (1,)


@pytest.mark.parametrize(("kind", "order"), [("C", 4), ("D", 4), ("C", 3)])
def test_finite_groups_frequency_by_frequency(kind, order):
    """The multiplicity is the mean over the group of chi_W chi_V* chi_J, J the two waves of frequency j."""
    G = getattr(groups, kind)(order)
    V = G.vector
    kernels = fields.kernel_basis(V, V, degree=5)
    for j in range(6):
        total = 0.0
        for g in G.elements():
            trace, sign = np.trace(g), np.linalg.det(g)
            angle = np.arctan2(g[1, 0], g[0, 0])
            wave = 1.0 if j == 0 else (2 * np.cos(j * angle) if sign > 0 else 0.0)
            total += trace * trace * wave
        assert kernels.frequencies.count(j) == round(total / len(G.elements()))
    assert defect(kernels, 0) <= BOUND


def test_kernels_are_orthonormal_on_the_sphere():
    G = groups.SO(3)
    kernels = fields.kernel_basis(G.vector + G.scalar, G.vector, degree=3)
    sphere = fields.Sphere(6)
    with jax.enable_x64(True):
        values = np.asarray(jax.vmap(kernels)(jnp.asarray(sphere.points)))
    gram = np.einsum("p,pkwv,plwv->kl", sphere.weights / (4 * np.pi), values, values)
    assert np.abs(gram - np.eye(kernels.dimension)).max() <= BOUND


def test_a_kernel_with_a_thousandth_of_another_is_seen_not_to_be_equivariant():
    G = groups.SO(3)
    kernels = fields.kernel_basis(G.vector, G.vector, degree=2)
    spoilt = np.array(kernels.coefficients)
    spoilt[0, 0, 0, 1] += 1e-3
    broken = fields.KernelBasis(kernels.source, kernels.target, kernels.space, kernels.frequencies, spoilt)
    assert defect(broken, 0) > 1e-4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fields.kernel_basis(groups.SO(3).vector, groups.O(3).vector, degree=1), "one group"),
        (lambda: fields.kernel_basis(groups.GL(2).vector, groups.GL(2).vector, degree=1), "keeps distances"),
        (lambda: fields.kernel_basis(groups.SO(3).vector, groups.SO(3).vector, degree=-1), "frequency"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(iso.IsotropyError, match=message):
        make()


def test_no_kernel_at_all_draws_a_warning():
    G = groups.O(3)
    with pytest.warns(iso.IsotropyWarning, match="no section"):
        assert fields.kernel_basis(G.irrep(0, "e"), G.irrep(0, "o"), degree=2).dimension == 0
