"""The command line: the answers of the API, one clear line on bad input, and help that does not wait for JAX."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import isotropy as iso
from isotropy import groups
from isotropy.cli import app
from isotropy.dynamics import Trajectories, conserve
from isotropy.geometry.grammar import parse
from isotropy.results.laws import Laws

STATE = ("x", "y", "vx", "vy")


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def write(path, names, columns):
    rows = [",".join(names), *(",".join(repr(float(cell)) for cell in row) for row in np.stack(columns, axis=1))]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def pairs(tmp_path):
    """Values of x^2 + y^2 + 3 z, which se(2) leaves alone."""
    X = np.random.default_rng(0).normal(size=(80, 3))
    return write(tmp_path / "pairs.csv", ["x", "y", "z", "u"], [*X.T, X[:, 0] ** 2 + X[:, 1] ** 2 + 3 * X[:, 2]])


@pytest.fixture
def orbits(tmp_path):
    """Four ellipses of the isotropic oscillator in the plane, one after the other."""
    rng = np.random.default_rng(1)
    t = np.linspace(0, 5, 60)
    columns = [[] for _ in range(6)]
    for body in range(4):
        a, b = rng.normal(size=(2, 2))
        x, v = np.outer(np.cos(t), a) + np.outer(np.sin(t), b), np.outer(-np.sin(t), a) + np.outer(np.cos(t), b)
        for column, values in zip(columns, [np.full(len(t), body), t, *x.T, *v.T], strict=True):
            column.extend(values)
    return write(tmp_path / "orbits.csv", ["body", "t", *STATE], [np.array(column) for column in columns])


def discover(file, *more):
    return run("discover", file, "--inputs", "x,y,z", "--outputs", "u", "--candidates", "aff(3)", *more)


def conserved(file, *more):
    return run("conserve", file, "--time", "t", "--state", ",".join(STATE), "--by", "body", *more)


def test_discover_says_what_the_api_says(pairs):
    result = discover(pairs)
    table = np.loadtxt(pairs, delimiter=",", skiprows=1)
    data = iso.Data(table[:, :3], table[:, 3:], space=None)
    found = iso.discover(data, iso.Action(groups.Aff(3)).named(("x", "y", "z"), ("u",)))
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip() == str(found)
    assert found.name == "se(2)"


def test_conserve_says_what_the_api_says(orbits):
    result = conserved(orbits, "--space", "polynomials(2)")
    table = np.loadtxt(orbits, delimiter=",", skiprows=1)
    laws = conserve(Trajectories(table[:, 1], table[:, 2:], id=table[:, 0]), parse("polynomials(2)", STATE))
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip() == str(laws)
    # Of the four quadratic laws of this oscillator three are independent.
    assert len(laws.independent) == 3


def test_given_velocities_are_used(orbits):
    table = np.loadtxt(orbits, delimiter=",", skiprows=1)
    names = ["body", "t", *STATE, "ax", "ay"]
    write(orbits, names, [*table.T, -table[:, 2], -table[:, 3]])
    result = conserved(orbits, "--velocities", "vx,vy,ax,ay")
    assert result.exit_code == 0, result.output
    assert "velocities given" in result.stdout


def test_answers_are_written_and_can_be_loaded(pairs, orbits, tmp_path):
    assert discover(pairs, "--json", tmp_path / "found.json", "--report", tmp_path / "found.html").exit_code == 0
    assert conserved(orbits, "--json", tmp_path / "laws.npz", "--report", tmp_path / "laws.html").exit_code == 0
    assert iso.Discovery.load(tmp_path / "found.json").name == "se(2)"
    assert len(Laws.load(tmp_path / "laws.npz").independent) == 3
    for name in ("found.html", "laws.html"):
        assert "<svg" in (tmp_path / name).read_text(encoding="utf-8")


def test_rows_are_chosen(orbits):
    result = conserved(orbits, "--where", "body=0,1,2")
    assert result.exit_code == 0, result.output
    assert "3 trajectories" in result.stdout


def test_repeated_rows_are_left_out_with_a_warning(pairs):
    once = discover(pairs)
    lines = pairs.read_text().splitlines()
    pairs.write_text("\n".join([*lines, *lines[1:4]]) + "\n")
    twice = discover(pairs)
    assert twice.stdout == once.stdout
    assert "warning: 3 of 83 rows of pairs.csv repeat" in twice.stderr


def one_line(result):
    """The single line on standard error, for an exit status that says the input was bad."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no file"),
        ("", "is empty"),
        ("x,y,z,u\n", "no row"),
        ("x,y,z,u\n1,2,3,4\n5,6,7,8\n", "nothing can be learned from so few"),
        ("x,y,z,u\n1,2,3,4\n5,6,7,oops\n3,4,5,6\n", "'oops' at line 3, not a number"),
        ("x,y,z,u\n1,2,3,4\n5,6,7,nan\n3,4,5,6\n", "empty or NaN at line 3"),
        ("x,y,z,u\n1,2,3,4\n5,6,3,4\n3,4,3,6\n", "Column 'z' of data.csv is 3 in every row"),
        ("x,y,w,u\n1,2,3,4\n5,6,7,8\n3,4,5,6\n", "no column 'z'"),
        ("x,y,z,u\n1,2,3\n", "has 3 cells at line 2"),
    ],
)
def test_bad_table(tmp_path, content, sentence):
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_text(content)
    assert sentence in one_line(discover(path))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--candidates", "gl(2)"], "acts on R^2, but there are 3 inputs"),
        (["--candidates", "so(3"], "cannot be read"),
        (["--inputs", "x,y,q"], "no column 'q'"),
        (["--inputs", ","], "names no column"),
        (["--space", "polynomials(2) + foo(x)"], "cannot be read"),
        (["--space", "__import__('os').system('true')"], "cannot be read"),
        (["--space", "1/q"], "cannot be read"),
        (["--where", "x=abc"], "never is 'abc'"),
        (["--json", "answer.txt"], "--json writes .json or .npz"),
        (["--json", "nowhere/answer.json"], "There is no folder 'nowhere'"),
        (["--report", "nowhere/page.html"], "There is no folder 'nowhere'"),
        (["--report", "."], "is a folder"),
    ],
)
def test_bad_option(pairs, more, sentence):
    assert sentence in one_line(discover(pairs, *more))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--velocities", "vx"], "names 1 columns for 4 of --state"),
        (["--by", "planet"], "no column 'planet'"),
        (["--time", "when"], "no column 'when'"),
        (["--tolerance", "2"], "`tolerance` must be a number from 0 up to 1"),
        (["--where", "t=0,1"], "error"),
        (["--space", "log(x - x)"], "error"),
    ],
)
def test_bad_option_of_conserve(orbits, more, sentence):
    assert sentence in one_line(conserved(orbits, *more))


def test_motions_mixed_up_are_refused(orbits):
    line = one_line(run("conserve", orbits, "--time", "t", "--state", ",".join(STATE)))
    assert "repeats" in line


def test_too_few_rows_for_the_candidates(tmp_path):
    X = np.random.default_rng(0).normal(size=(5, 3))
    path = write(tmp_path / "few.csv", ["x", "y", "z", "u"], [*X.T, (X**2).sum(axis=1)])
    result = discover(path)
    assert result.exit_code == 1 or "cannot tell" in result.stdout


def test_a_wrong_command_line_ends_with_two(pairs):
    assert run("discover", pairs).exit_code == 2
    assert run("discoverr").exit_code == 2


def test_identify(tmp_path):
    np.savez(tmp_path / "so3.npz", groups.SO(3).algebra.matrices)
    (tmp_path / "turn.json").write_text("[[[0, -1], [1, 0]]]")
    assert run("identify", tmp_path / "so3.npz").stdout.startswith("so(3): dimension 3\n")
    assert run("identify", tmp_path / "turn.json").stdout.startswith("so(2): dimension 1\n")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.npz", None, "There is no file"),
        ("m.txt", b"1", "give the matrices as .npz or .json"),
        ("m.json", b"{", "cannot be read as JSON"),
        ("m.json", b"[[1, 2], [3, 4]]", "3 axes"),
        ("m.json", b"[[[1, 2]]]", "must be square"),
        ("m.npz", b"junk", "cannot be read as NPZ"),
        # The unit matrices e12 and e21 alone: their bracket leaves the span.
        ("m.json", b"[[[0, 1], [0, 0]], [[0, 0], [1, 0]]]", "bracket"),
    ],
)
def test_bad_matrices(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert sentence in one_line(run("identify", tmp_path / name))


def test_groups_lists_what_candidates_take():
    result = run("groups")
    assert result.exit_code == 0
    assert {"gl(n)", "so(n)", "galilei(n)"} <= set(result.stdout.split())


HEAVY = ("jax", "jaxlib", "scipy", "sympy", "matplotlib", "sklearn", "equinox", "numpy")


@pytest.mark.parametrize("words", [["--help"], ["discover", "--help"], ["conserve", "--help"], ["--version"]])
def test_help_does_not_wait_for_heavy_imports(words):
    code = (
        "import sys\n"
        "from isotropy.cli import app\n"
        f"app({words!r}, standalone_mode=False)\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "loaded: []"


def test_help_names_every_command():
    text = run("--help").stdout
    for name in ("discover", "conserve", "identify", "groups", "--report", "--json", "CSV"):
        assert name in text
