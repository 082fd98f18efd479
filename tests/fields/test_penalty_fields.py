"""The penalty on operators between fields: what it measures, and what it does in training."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import fields, groups
from isotropy.errors import IsotropyError

GRID = fields.Periodic((12, 12), lengths=8.0)
EPS = float(np.finfo(np.float32).eps)


def bumps(count, seed):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.5, 0.5, (count, 2))
    away = ((GRID.points[None] - centres[:, None]) ** 2).sum(axis=2)
    return np.exp(-away / 0.8).reshape(count, *GRID.shape).astype(np.float32)


FIELDS = bumps(6, 0)
WAVES = 2 * np.pi * np.fft.fftfreq(12, 8 / 12)


def blur(u, along=1.0):
    """Diffusion, the faster along the first axis by a factor: 1 keeps rotations, others do not."""
    decay = jnp.asarray(np.exp(-0.2 * (along * WAVES[:, None] ** 2 + WAVES**2)), jnp.float32)
    return jnp.real(jnp.fft.ifft2(jnp.fft.fft2(u) * decay)).astype(u.dtype)


@pytest.mark.parametrize(("along", "kept"), [(1.0, 3), (3.0, 2)])
def test_the_spectrum_counts_what_an_operator_keeps(along, kept):
    penalty = iso.Penalty(fields.FieldAction(GRID, groups.SE(2)), FIELDS)
    values, rows = penalty.spectrum(lambda u: blur(u, along))
    # A periodic box turns only what is small at its edge, so the rotation is kept to that and not to rounding.
    unlike, _ = penalty.spectrum(lambda u: u * jnp.asarray(FIELDS[1]))
    small = np.asarray(values) < 0.02 * float(unlike[0])
    assert small.sum() == kept
    if kept == 2:
        turning = np.abs(groups.SE(2).point.generators()[:, 0, 1]) > 0
        assert np.abs(np.asarray(rows)[1:, turning]).max() < 0.05


def test_a_combination_is_one_column_of_the_operator():
    penalty = iso.Penalty(fields.FieldAction(GRID, groups.SE(2), increment=True), FIELDS)
    model = lambda u: u + jnp.sin(u) * jnp.asarray(FIELDS[0])  # noqa: E731
    c = jnp.asarray([0.3, -1.0, 0.5])
    column = penalty.operator(model) @ c
    assert float(penalty.along(model, c[None])) == pytest.approx(0.5 * float(column @ column), rel=1e-4)


def test_the_probe_is_the_minibatch_form_on_the_mean():
    penalty = iso.Penalty(fields.FieldAction(GRID, groups.SE(2)), FIELDS)
    model = lambda u: jnp.tanh(u) * jnp.asarray(FIELDS[0])  # noqa: E731
    state = penalty.init(model)
    exact, _ = penalty.update(model, state, FIELDS, decay=1.0)
    probe = jax.jit(lambda key: penalty.probe(model, state, key, FIELDS)[0])
    values = np.array([probe(key) for key in jax.random.split(jax.random.key(0), 400)])
    assert abs(values.mean() - float(exact)) < 5 * values.std() / np.sqrt(len(values))


@pytest.mark.parametrize(("along", "keeps"), [(1.0, True), (3.0, False)])
def test_single_elements_count_too(along, keeps):
    action = fields.FieldAction(GRID, groups.C(4))
    penalty = iso.Penalty(action, FIELDS, discrete=1.0)
    value = float(penalty(lambda u: blur(u, along)))
    assert (value < 100 * EPS) == keeps


def test_elements_alone_work_in_minibatches():
    penalty = iso.Penalty(fields.FieldAction(GRID, groups.C(4)), FIELDS, discrete=1.0)
    model = lambda u: blur(u, 3.0)  # noqa: E731
    state = penalty.init(model)
    for value in (penalty.update(model, state, FIELDS)[0], penalty.probe(model, state, jax.random.key(0), FIELDS)[0]):
        # At rest the variational form is the norm itself.
        assert float(value) == pytest.approx(float(penalty(model)), rel=1e-3)
    with pytest.raises(IsotropyError, match="has no generators"):
        iso.Penalty(fields.FieldAction(GRID, groups.C(4)), FIELDS)


def test_training_with_the_penalty_restores_translations():
    """A multiplier at each point beside a blur: where fields are small the data say little, and the penalty says it."""
    x = jnp.asarray(FIELDS)
    y = 0.5 * jax.vmap(blur)(x)
    penalty = iso.Penalty(fields.FieldAction(GRID, [fields.translation(k, dimension=2) for k in (0, 1)]), FIELDS)
    model = lambda w: lambda u: w * blur(u)  # noqa: E731
    start = 0.5 + 0.2 * jax.random.normal(jax.random.key(0), GRID.shape)

    def train(strength):
        def loss(w):
            return jnp.mean((jax.vmap(model(w))(x) - y) ** 2) + strength * penalty.along(model(w), jnp.eye(2))

        step = jax.jit(lambda w: w - 10.0 * jax.grad(loss)(w))
        w = start
        for _ in range(200):
            w = step(w)
        return float(penalty(model(w)))

    assert train(2.0) < 0.5 * train(0.0)


def test_fields_that_do_not_fit_are_refused():
    action = fields.FieldAction(GRID, groups.SE(2))
    with pytest.raises(IsotropyError, match="carries fields of shape"):
        iso.Penalty(action, FIELDS[:, :6])
    with pytest.raises(IsotropyError, match="NaN"):
        iso.Penalty(action, np.where(FIELDS > 0.9, np.nan, FIELDS))
    with pytest.raises(IsotropyError, match="and fields"):
        iso.Penalty(groups.SE(2), FIELDS)  # type: ignore[arg-type]
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    other = iso.Penalty(fields.FieldAction(GRID, groups.Group((), components=[turn], name="G")), FIELDS, discrete=1.0)
    with pytest.raises(IsotropyError, match="only elements that keep the grid"):
        other(blur)


def test_an_operator_without_its_symmetry_by_construction_has_a_gradient():
    penalty = iso.Penalty(fields.FieldAction(GRID, groups.SE(2)), FIELDS)
    slope = eqx.filter_grad(lambda w: penalty(lambda u: blur(u) * w))(jnp.ones(GRID.shape))
    assert bool(jnp.isfinite(slope).all())
