"""The price of training: one step of EMLP on its first task against one of ours, CPU time over CPU time, in one run.

Both train on batches of 500 pairs of the O(5)-invariant task with Adam in float32: EMLP as its authors set it (384
channels, 3 layers), ours as `emlp_tasks.py` trains it. Ours takes 5000 steps for every size of the task; the second
figure is that whole training against a single step of EMLP's. The third is what it costs to build the networks.

    python3.11 -m venv emlp-env && emlp-env/bin/pip install emlp six 'jax<=0.9.2'
    python benchmarks/emlp_step.py --emlp-python emlp-env/bin/python
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from emlp_tasks import RATE, network, o5, scales, tasks, train
from harness import Figure

RESULTS = Path(__file__).parent / "results" / "emlp_step.json"
STEPS = 5000

THEIRS = """
import json, sys, time
start = time.process_time()
import jax, numpy as np, objax
from emlp.groups import O
from emlp.nn.objax import EMLP
from emlp.reps import Scalar, V

model = EMLP(2 * V, Scalar, group=O(5), ch=384, num_layers=3)
built = time.process_time() - start
pairs = np.load(sys.argv[1])
x, y = pairs["x"], pairs["y"]
optimiser = objax.optimizer.Adam(model.vars())
slopes = objax.GradValues(lambda x, y: ((model(x) - y) ** 2).mean(), model.vars())

@objax.Jit
@objax.Function.with_vars(model.vars() + optimiser.vars() + slopes.vars())
def step(x, y):
    slope, loss = slopes(x, y)
    optimiser(3e-3, slope)
    return loss

jax.block_until_ready(step(x, y))
start = time.process_time()
for _ in range(5):
    jax.block_until_ready(step(x, y))
print(json.dumps({"built": built, "step": (time.process_time() - start) / 5}))
"""


def main() -> None:
    """Time both, print the ratios, write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emlp-python", required=True, help="a Python that has EMLP")
    options = parser.parse_args()
    task = tasks()["o5"]
    x, y = o5(np.random.default_rng(0), 1000)
    x = x / scales(x, task.input)
    y = (y - y.mean()) / y.std()
    start = time.process_time()
    net = network("isotropy", task, 0)
    built = time.process_time() - start
    train(net, x, y, steps=100, rate=RATE["isotropy"], seed=0)
    start = time.process_time()
    train(net, x, y, steps=STEPS, rate=RATE["isotropy"], seed=0)
    whole = time.process_time() - start
    pairs = RESULTS.with_suffix(".npz")
    np.savez(pairs, x=x[:500].astype(np.float32), y=y[:500].astype(np.float32))
    try:
        command = [options.emlp_python, "-c", THEIRS, str(pairs)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, env={"TQDM_DISABLE": "1"})
    finally:
        pairs.unlink()
    theirs = json.loads(answer.stdout.strip().splitlines()[-1])
    figures = [
        Figure("a step of EMLP's against one of ours, compiling ours included", theirs["step"] * STEPS / whole),
        Figure("our whole training against one step of EMLP's", whole / theirs["step"]),
        Figure("building EMLP's network against building ours", theirs["built"] / built),
    ]
    for figure in figures:
        print(figure)
    record = [{"name": figure.name, "value": float(f"{figure.value:.3g}")} for figure in figures]
    RESULTS.write_text(json.dumps({"python": sys.version.split()[0], "figures": record}, indent=1) + "\n")


if __name__ == "__main__":
    main()
