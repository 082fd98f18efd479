"""What a trained Fourier neural operator knows of its data's symmetries: vorticity, stirred evenly or along one axis.

Two data sets: a forcing .1 (cos 4 pi x + cos 4 pi y), and one of .1 cos 4 pi x alone, which no rotation keeps. Each
pair is shifted at random together with its forcing, so that shifted fields are what a network is trained on; rotated
and scaled ones are not. The network is trained as it is, which makes shifts of the grid exact, and told the
coordinates, so that it has to learn them. Defects are those of the change N(u) - u, relative, on the mean over training
fields; beside them stands the error of the fit, of the same change, at fields left out.

Then the same question on fields that it never saw: bumps in the middle of the square, where rotation means something.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from field_operators import DATA, Trainer, relative
from field_rivals import FNO
from vorticity_data import STEPS, Task, bumps, task

import isotropy as iso
from isotropy import fields, groups
from isotropy.nn.fit import Located, circles

RESULTS = Path(__file__).parent / "results" / "operator_defects.json"
GRID = fields.Periodic((32, 32))
TRAIN, TEST = slice(0, 96), slice(96, 128)
TIMES, RATE, ASKED, WIDTH = 4, 3e-3, 16, 0.06
G = groups.Similarity(2)
ACTION = fields.FieldAction(GRID, iso.Action(G.point, 2 * G.scalar), increment=True, coarse="exact")
MOTIONS = ("rotation", "dilation", "translation along x", "translation along y")
ELEMENTS = {"quarter turn": [[0.0, -1.0], [1.0, 0.0]], "half turn": [[-1.0, 0.0], [0.0, -1.0]]}
FORCINGS = {"both axes": True, "one axis": False}


CONTESTANTS = {
    "FNO": lambda key: FNO(key=key),
    "FNO told the coordinates": lambda key: Located(FNO(6, key=key), circles(GRID)),
}


def pairs(data: Task, rows: slice, times: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps of each trajectory at ``times`` times, shifted at random with the forcing: one of each first."""
    rng = np.random.default_rng(seed)
    chosen = data.trajectories[rows]
    at = np.stack([rng.permutation(STEPS)[:times] for _ in chosen])
    x, y = [], []
    for k in range(times):
        for one, when in zip(chosen, at[:, k], strict=True):
            here = tuple(rng.integers(n) for n in GRID.shape)
            before, after, forcing = (
                np.roll(part, here, axis=(0, 1)) for part in (one[when], one[when + 1], data.forcing)
            )
            x.append(np.stack([before, forcing], axis=-1))
            y.append(after[..., None])
    return np.stack(x), np.stack(y)


def defects(network: Any, inputs: np.ndarray, asked: np.ndarray | None = None) -> dict[str, Any]:
    """What `iso.discover` says of the network, with the defect of every candidate by itself."""

    def operator(u: Any) -> Any:
        """The forcing stays as it is, so that what is judged is the change of the vorticity."""
        return jnp.concatenate([network(u), u[..., 1:]], axis=-1)

    trained = iso.Trained(operator, inputs)
    found = iso.discover(trained, ACTION, asked, components=[np.array(m) for m in ELEMENTS.values()])
    view = ACTION.look(operator, inputs if asked is None else asked)
    alone = np.linalg.norm(view.before - view.after, axis=0) * view.units
    left = [] if found.leaving is None else found.leaving.text
    return {
        "found": [found.dimension, list(found.generator_text), found.decision.verdict, found.decision.reason],
        "leaving": list(left),
        "defects": dict(zip(MOTIONS, map(float, alone), strict=True)),
        "elements": {
            name: [element.defect, element.kept] for name, element in zip(ELEMENTS, found.components, strict=True)
        },
    }


def strange(count: int) -> np.ndarray:
    """Bumps of vorticity in the middle of the square, stirred by others: fields that turn without meeting an edge."""
    return np.stack(
        [
            np.stack(
                [
                    size * bumps(GRID.points, GRID.shape, seed=2 * k + c, width=WIDTH, spread=0.08)
                    for c, size in enumerate((1.0, 0.1))
                ],
                axis=-1,
            )
            for k in range(count)
        ]
    ).astype(np.float32)


def main() -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for forcing, isotropic in FORCINGS.items():
        data = task(
            TEST.stop, DATA if isotropic else DATA.with_name("vorticity_axis.npy"), isotropic=isotropic
        ).coarse()
        x, y = pairs(data, TRAIN, TIMES, 0)
        tests = pairs(data, TEST, 1, 1)
        known = x[: TRAIN.stop]
        for name, make in CONTESTANTS.items():
            key = f"{forcing}: {name}"
            if key in results:
                continue
            trainer = Trainer(make, len(x))
            trained, _ = trainer.train(RATE, 1, x, y)
            answers = trainer.answers(trained, jnp.asarray(tests[0]))
            change = tests[1] - tests[0][..., :1]
            network = eqx.combine(trained, trainer.rest)
            results[key] = {
                "error": float(relative(answers, jnp.asarray(tests[1])).mean()),
                "error of change": float(relative(answers - tests[0][..., :1], jnp.asarray(change)).mean()),
                "known": defects(network, known),
                "strange": defects(network, known, strange(ASKED)),
            }
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    show(results)


def show(results: dict[str, Any]) -> None:
    """The table of defects, and what was found."""
    print(f"{'':38} {'fit':>7} " + " ".join(f"{name.removeprefix('translation '):>9}" for name in MOTIONS))
    for key, record in results.items():
        for where in ("known", "strange"):
            row = record[where]
            error = f"{record['error of change']:.4f}" if where == "known" else ""
            print(f"{key + ', ' + where:46} {error:>7} " + " ".join(f"{row['defects'][m]:9.1e}" for m in MOTIONS))
            dimension, text, verdict, reason = row["found"]
            print(f"    {dimension} found {text}: {verdict}, {reason}")
            print(f"    leaving {row['leaving']}; elements {row['elements']}")


if __name__ == "__main__":
    main()
