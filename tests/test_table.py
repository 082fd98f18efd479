"""Tables: what a file says is what the columns hold, and each kind of bad file gets one clear sentence."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from isotropy.errors import IsotropyError
from isotropy.table import read

X = np.array([0.1, -2.5, 1e-300, 7.0])
Y = np.array([1.0, 2.0, 3.0, 1 / 3])
NAMES = ["a", "a", "b", "c"]


def write_text(path, delimiter=",", prefix="", ending="\n"):
    rows = [delimiter.join(["x", "y", "who"])]
    rows += [delimiter.join([repr(float(x)), repr(float(y)), who]) for x, y, who in zip(X, Y, NAMES, strict=True)]
    path.write_bytes((prefix + ending.join(rows) + ending).encode())
    return path


def write_parquet(path):
    parquet.write_table(pyarrow.table({"x": X, "y": Y, "who": NAMES}), path)
    return path


def write_npz(path):
    np.savez(path, x=X, y=Y, who=np.array(NAMES))
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_text(folder / "t.csv"),
        lambda folder: write_text(folder / "t.csv", ";"),
        lambda folder: write_text(folder / "t.tsv", "\t"),
        lambda folder: write_text(folder / "t.csv", prefix="\ufeff"),
        lambda folder: write_text(folder / "t.csv", prefix="# where this came from, a, b, c\n\n"),
        lambda folder: write_text(folder / "T.CSV", ending="\r\n"),
        lambda folder: write_parquet(folder / "t.parquet"),
        lambda folder: write_npz(folder / "t.npz"),
    ],
    ids=["comma", "semicolon", "tab", "byte order mark", "comment", "windows", "parquet", "npz"],
)
def test_every_kind_holds_the_same_numbers(tmp_path, write):
    table = read(write(tmp_path))
    assert list(table.columns) == ["x", "y", "who"]
    np.testing.assert_array_equal(table.numbers(["y", "x"], "--inputs"), np.stack([Y, X], axis=1))
    assert table.labels("who").tolist() == NAMES


def test_columns_of_a_two_dimensional_array(tmp_path):
    np.savez(tmp_path / "t.npz", z=np.stack([X, Y], axis=1), t=np.arange(4))
    table = read(tmp_path / "t.npz")
    assert list(table.columns) == ["z0", "z1", "t"]
    np.testing.assert_array_equal(table.numbers(["z0", "z1"], "--state"), np.stack([X, Y], axis=1))


def test_rows_are_chosen_and_repeats_dropped(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,body\n1,1\n2,2\n1,1\n3,2\n")
    table = read(path)
    assert table.where("body=2").columns["x"].tolist() == [2.0, 3.0]
    kept, repeats = table.without_repeats(["x", "body"])
    assert (kept.columns["x"].tolist(), repeats) == ([1.0, 2.0, 3.0], 1)
    assert table.labels("body").tolist() == ["1", "2", "1", "2"]


BAD_FILES = {
    "missing.csv": (None, "There is no file"),
    "empty.csv": (b"", "empty.csv is empty"),
    "blank.csv": (b"\n\n  \n", "empty: its first line must name the columns"),
    "header.csv": (b"x,y\n", "has column names but no row"),
    "binary.csv": (bytes(range(256)), "is not text in UTF-8"),
    "nul.csv": (b"x,y\n1,\0\n", "is not a text file"),
    "ragged.csv": (b"x,y\n1,2\n3\n", "has 1 cells at line 3, but its header names 2 columns"),
    "numbers.csv": (b"1,2\n3,4\n", "begins with numbers"),
    "twice.csv": (b"x,x\n1,2\n", "two columns called 'x'"),
    "unnamed.csv": (b"x,\n1,2\n", "gives column 2 no name"),
    "table.xlsx": (b"PK", "files may end in .csv"),
    "noending": (b"x\n1\n", "ends in 'nothing'"),
    "bad.parquet": (b"not parquet", "is not a Parquet file"),
    "bad.npz": (b"not a zip", "is not an NPZ file"),
    "cut.npz": (b"PK\x03\x04" + bytes(60), "is not an NPZ file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file(tmp_path, name):
    content, sentence = BAD_FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(IsotropyError, match=sentence.replace("(", r"\(")):
        read(tmp_path / name)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsotropyError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": np.array([{}, {}], dtype=object)}, "is not an NPZ file of plain arrays"),
        ({"x": np.zeros((2, 2, 2))}, "has shape"),
        ({"x": np.zeros(2), "y": np.zeros(3)}, "differ in length .x 2, y 3."),
        ({"x": np.zeros((2, 2)), "x0": np.zeros(2)}, "two columns called 'x0'"),
        ({}, "holds no array"),
    ],
    ids=["pickled", "three axes", "lengths", "clash", "nothing"],
)
def test_bad_npz(tmp_path, arrays, sentence):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(IsotropyError, match=sentence):
        read(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("text", "names", "sentence"),
    [
        ("x,y\n1,2\n3,4\n", ["z"], "no column 'z': It has x, y"),
        ("vx,vy\n1,2\n3,4\n", ["vxx"], "did you mean 'vx'"),
        ("VX,y\n1,2\n3,4\n", ["vx"], "did you mean 'VX'"),
        ("x,y\n1,2\n3,4\n", ["x", "x"], "names the column 'x' twice"),
        ("x,y\n1,2\n3,4\n", [], "names no column"),
        ("x,y\n1,2\nabc,4\n", ["x"], "'abc' at line 3, not a number"),
        ("x;y\n1,5;2\n3;4\n", ["x"], "decimal points, not commas"),
        ("x,y\n1,2\n,4\n,5\n", ["x"], "empty or NaN at line 3 .2 such rows in all."),
        ("x,y\n1,2\nnan,4\n", ["x"], "empty or NaN at line 3"),
        ("x,y\n1,2\ninf,4\n", ["x"], "infinite at line 3"),
        ("x,y\n7,2\n7,4\n", ["y", "x"], "is 7 in every row"),
    ],
)
def test_bad_columns(tmp_path, text, names, sentence):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(IsotropyError, match=sentence):
        read(path).numbers(names, "--inputs")


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("body", "COLUMN=VALUE"),
        ("body=", "COLUMN=VALUE"),
        ("body=9", "never is '9'. It is one of 1, 2"),
        ("b=1", "no col"),
    ],
)
def test_bad_condition(tmp_path, condition, sentence):
    path = tmp_path / "t.csv"
    path.write_text("x,body\n1,1\n2,2\n")
    with pytest.raises(IsotropyError, match=sentence):
        read(path).where(condition)


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(IsotropyError, match=r"pip install 'isotropy\[parquet\]'"):
        read(path)
