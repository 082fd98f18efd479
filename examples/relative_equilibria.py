"""Relative equilibria: motions along the orbit of a symmetry, V(x) = X_xi(x), of three bodies of unequal masses.

The symmetry is found first. Then states are sought at which the field points along it: Lagrange's triangle, equilateral
for any masses, and Euler's three lines. Run it: `python examples/relative_equilibria.py`; it writes the picture
`docs/relative_equilibria.svg`.
"""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

import isotropy as iso
from isotropy import groups

MASSES = np.array([1.0, 2.0, 3.0])
PICTURE = Path(__file__).parents[1] / "docs" / "relative_equilibria.svg"


def field(z: jax.Array) -> jax.Array:
    """Three bodies in the plane that attract by Newton's law: positions, then velocities."""
    x, v = z[:6].reshape(3, 2), z[6:]
    apart = x[None] - x[:, None]
    cubed = (apart**2).sum(axis=2) + jnp.eye(3)
    return jnp.concatenate([v, (MASSES[None, :, None] * apart / cubed[:, :, None] ** 1.5).sum(axis=1).ravel()])


def symmetry() -> tuple[iso.Discovery, iso.Action]:
    """The symmetries of the field among turns and shifts of the plane that move all bodies together."""
    plane = groups.SE(2)
    positions, velocities = 3 * plane.point, 3 * plane.vector
    action = iso.Action(positions + velocities, 6 * plane.vector)
    return iso.discover(field, action, iso.Samples.normal(100, 12, seed=0)), action


def equilibria(found: iso.Discovery, action: iso.Action, tries: int, seed: int = 0) -> list[np.ndarray]:
    """States where the field is tangent to the orbit of the symmetry, one for each set of distances."""
    moves = jax.jit(lambda z: jnp.asarray(found.coefficients) @ action.base(z))
    with jax.enable_x64(True):

        def miss(z):
            """The part of V that no symmetry makes; and what fixes the size and place that are left free."""
            along = moves(z).T
            value = field(z)
            weights = jnp.linalg.lstsq(along, value)[0]
            centre = jnp.asarray(MASSES) @ z[:6].reshape(3, 2)
            drift = jnp.asarray(MASSES) @ z[6:].reshape(3, 2)
            return jnp.concatenate([value - along @ weights, centre, drift, jnp.array([z[:6] @ z[:6] - 3])])

        both = jax.jit(miss), jax.jit(jax.jacfwd(miss))
        kept: list[np.ndarray] = []
        sides: list[np.ndarray] = []
        rng = np.random.default_rng(seed)
        for _ in range(tries):
            answer = least_squares(both[0], rng.normal(size=12), both[1], xtol=None, gtol=None, max_nfev=200)
            if answer.cost > np.finfo(float).eps or not np.isfinite(answer.x).all():
                continue
            x = answer.x[:6].reshape(3, 2)
            lengths = np.linalg.norm(x - np.roll(x, 1, axis=0), axis=1)
            if lengths.min() > 0.1 and not any(np.allclose(lengths, other, rtol=1e-3) for other in sides):
                sides.append(lengths)
                kept.append(answer.x)
    return kept


def draw(states: list[np.ndarray], path: Path) -> None:
    """Each state and the circles on which its bodies go round."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(states), figsize=(2.4 * len(states), 2.6), squeeze=False)
    for axis, state in zip(axes[0], states, strict=True):
        x = state[:6].reshape(3, 2)
        for place, mass in zip(x, MASSES, strict=True):
            axis.add_patch(plt.Circle((0, 0), float(np.hypot(*place)), fill=False, color="0.8", lw=0.8))
            axis.plot(*place, "o", color="C0", markersize=4 + 2 * mass)
        axis.plot(*np.vstack([x, x[:1]]).T, color="C1", lw=1)
        axis.set_aspect("equal")
        axis.set(xlim=(-2, 2), ylim=(-2, 2), xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def main(tries: int = 200, path: Path | None = PICTURE) -> list[np.ndarray]:
    """Find them, print the sides of each triangle, and draw."""
    found, action = symmetry()
    print(found)
    states = equilibria(found, action, tries)
    for state in states:
        x = state[:6].reshape(3, 2)
        lengths = np.sort(np.linalg.norm(x - np.roll(x, 1, axis=0), axis=1))
        shape = "on a line" if lengths[2] > 0.999 * (lengths[0] + lengths[1]) else "a triangle"
        print(f"{shape}: sides {', '.join(f'{length:.4f}' for length in lengths)}")
    if path is not None:
        draw(states, path)
    return states


if __name__ == "__main__":
    main()
