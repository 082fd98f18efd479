"""Tables of numbers from files: CSV, Parquet and NPZ in, named columns out, one clear sentence for what is wrong."""

from __future__ import annotations

import csv
import difflib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Float

from .errors import IsotropyError

DELIMITERS = ",;\t"
"""What may separate the cells of a text file; the one that occurs most often in the header is taken."""

KINDS = {".csv": "text", ".tsv": "text", ".txt": "text", ".parquet": "parquet", ".npz": "npz"}
"""How a file is read, by the ending of its name."""


@dataclass(frozen=True)
class Table:
    """Columns of equal length under unique names, with the place of each row in the file for messages.

    ``columns`` holds numbers as float64 arrays and anything else as arrays of text; ``places`` the line of each row
    in a text file, and the row counted from 1 in the other kinds; ``unit`` says which of the two it is.
    """

    name: str
    columns: dict[str, np.ndarray]
    places: np.ndarray
    unit: str = "row"

    def __len__(self) -> int:
        return len(self.places)

    def column(self, name: str) -> np.ndarray:
        """One column. Raises `IsotropyError` that lists the columns present and the closest name."""
        if name not in self.columns:
            close = difflib.get_close_matches(name, list(self.columns), n=1, cutoff=0.5)
            folded = [known for known in self.columns if known.casefold() == name.casefold()]
            hint = f"did you mean {(folded or close)[0]!r}? " if folded or close else ""
            raise IsotropyError(f"{self.name} has no column {name!r}: {hint}It has {', '.join(self.columns)}.")
        return self.columns[name]

    def numbers(self, names: Sequence[str], role: str) -> Float[np.ndarray, "p k"]:
        """The columns ``names`` as one float64 array; ``role`` is what they are for, such as ``--inputs``.

        Raises `IsotropyError` for a column that is missing, named twice, not numeric, not finite or constant.
        """
        if not names:
            raise IsotropyError(f"{role} names no column: give them separated by commas, such as x,y,z.")
        repeated = next((name for k, name in enumerate(names) if name in names[:k]), None)
        if repeated is not None:
            raise IsotropyError(f"{role} names the column {repeated!r} twice: name each once.")
        return np.stack([self._number_column(name) for name in names], axis=1)

    def _number_column(self, name: str) -> np.ndarray:
        column = self.column(name)
        if column.dtype.kind != "f":
            self._refuse_cell(name, column)
        finite = np.isfinite(column)
        if not finite.all():
            first = int(np.argmin(finite))
            what = "empty or NaN" if np.isnan(column[first]) else "infinite"
            count = int((~finite).sum())
            rest = "" if count == 1 else f" ({count} such rows in all)"
            raise IsotropyError(
                f"Column {name!r} of {self.name} is {what} at {self.unit} {self.places[first]}{rest}: "
                f"fill in or remove these rows."
            )
        if len(column) > 1 and (column == column[0]).all():
            raise IsotropyError(
                f"Column {name!r} of {self.name} is {column[0]:g} in every row, so it says nothing: leave it out."
            )
        return column

    def _refuse_cell(self, name: str, column: np.ndarray) -> NoReturn:
        for place, cell in zip(self.places, column, strict=True):
            try:
                float(cell)
            except ValueError:
                hint = " (write decimal points, not commas)" if "," in cell else ""
                raise IsotropyError(
                    f"Column {name!r} of {self.name} has {_short(str(cell))} at {self.unit} {place}, not a number"
                    f"{hint}."
                ) from None
        raise IsotropyError(f"Column {name!r} of {self.name} does not hold numbers.")

    def labels(self, name: str) -> np.ndarray:
        """One column as text, for telling motions apart. Whole numbers lose their decimal point."""
        column = self.column(name)
        if column.dtype.kind == "f":
            return np.array([f"{value:g}" if value == value else "" for value in column])
        return column

    def where(self, condition: str) -> Table:
        """The rows in which a column has one of some values: ``body=Earth,Mars``."""
        name, separator, values = condition.partition("=")
        if not separator or not values.strip():
            raise IsotropyError(f"--where takes COLUMN=VALUE or COLUMN=VALUE,VALUE. Got {condition!r}.")
        labels = self.labels(name.strip())
        wanted = [value.strip() for value in values.split(",")]
        for value in wanted:
            if value not in labels:
                known = list(dict.fromkeys(labels.tolist()))
                shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
                raise IsotropyError(f"Column {name.strip()!r} of {self.name} never is {value!r}. It is one of {shown}.")
        return self.take(np.isin(labels, wanted))

    def without_repeats(self, names: Sequence[str]) -> tuple[Table, int]:
        """The table with rows that repeat an earlier one in the columns ``names`` left out, and how many they were."""
        rows = np.rec.fromarrays([self.column(name) for name in names])
        _, first = np.unique(rows, return_index=True)
        keep = np.zeros(len(self), dtype=bool)
        keep[first] = True
        return self.take(keep), int((~keep).sum())

    def take(self, keep: np.ndarray) -> Table:
        """The rows that a mask keeps."""
        return replace(
            self, columns={name: column[keep] for name, column in self.columns.items()}, places=self.places[keep]
        )


def read(path: str | Path) -> Table:
    """Read a table from ``path``: text with a header line (CSV, also with semicolons or tabs), Parquet, or NPZ.

    In an NPZ file a one-dimensional array is a column and a two-dimensional array ``x`` the columns x0, x1, …;
    nothing is unpickled. Lines of a text file that begin with # are comments. Raises `IsotropyError` for a file that
    is missing, empty, unreadable, of an unknown kind, or without a row.
    """
    path = Path(path)
    name = path.name
    if not path.exists():
        raise IsotropyError(f"There is no file {str(path)!r}: check the path.")
    if path.is_dir():
        raise IsotropyError(f"{str(path)!r} is a folder: name one file in it.")
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(KINDS)
        raise IsotropyError(f"{name} ends in {path.suffix or 'nothing'!r}: files may end in {known}.")
    try:
        if path.stat().st_size == 0:
            raise IsotropyError(f"{name} is empty.")
        table = {"text": _text, "parquet": _parquet, "npz": _npz}[kind](path)
    except OSError as reason:
        raise IsotropyError(f"{name} cannot be read: {reason.strerror or reason}.") from None
    if len(table) == 0:
        raise IsotropyError(f"{name} has column names but no row.")
    return table


def _text(path: Path) -> Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as reason:
        raise IsotropyError(
            f"{path.name} is not text in UTF-8 (byte {reason.start} cannot be read): save it as CSV in UTF-8."
        ) from None
    if "\0" in text:
        raise IsotropyError(f"{path.name} is not a text file: save it as CSV in UTF-8.")
    lines = text.splitlines()
    start = next((k for k, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if start is None:
        raise IsotropyError(f"{path.name} is empty: its first line must name the columns.")
    delimiter = max(DELIMITERS, key=lines[start].count)
    reader = csv.reader(io.StringIO("\n".join(lines[start:])), delimiter=delimiter, skipinitialspace=True)
    rows: list[list[str]] = []
    places: list[int] = []
    try:
        header = [cell.strip() for cell in next(reader)]
        _check_header(header, path.name)
        for row in reader:
            if not row or row[0].startswith("#") or not any(cell.strip() for cell in row):
                continue
            place = start + reader.line_num
            if len(row) != len(header):
                raise IsotropyError(
                    f"{path.name} has {len(row)} cells at line {place}, but its header names {len(header)} columns."
                )
            rows.append(row)
            places.append(place)
    except csv.Error as reason:
        raise IsotropyError(f"{path.name} is not a CSV file (line {start + reader.line_num}: {reason}).") from None
    cells = zip(*rows, strict=True) if rows else [()] * len(header)
    columns = {name: _column(column) for name, column in zip(header, cells, strict=True)}
    return Table(path.name, columns, np.array(places, dtype=int), unit="line")


def _check_header(header: list[str], name: str) -> None:
    blank = next((k for k, cell in enumerate(header) if not cell), None)
    if blank is not None:
        raise IsotropyError(f"{name} gives column {blank + 1} no name in its first line: name every column.")
    repeated = next((cell for k, cell in enumerate(header) if cell in header[:k]), None)
    if repeated is not None:
        raise IsotropyError(f"{name} has two columns called {repeated!r}: give each its own name.")
    if all(_is_number(cell) for cell in header):
        raise IsotropyError(f"{name} begins with numbers: its first line must name the columns.")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(cells: Sequence[str]) -> np.ndarray:
    """Numbers where every cell is one or blank (then NaN), else the text as it stands."""
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        stripped = [cell.strip() for cell in cells]
    try:
        return np.array([cell or "nan" for cell in stripped], dtype=np.float64)
    except ValueError:
        return np.array(stripped)


def _parquet(path: Path) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise IsotropyError(
            f"{path.name} is a Parquet file, which needs pyarrow: pip install 'isotropy[parquet]'."
        ) from None
    try:
        frame = parquet.read_table(path)
    except pyarrow.ArrowException as reason:
        raise IsotropyError(f"{path.name} is not a Parquet file ({_first_line(reason)}).") from None
    _check_header([str(name) for name in frame.column_names], path.name)
    columns = {}
    for name, column in zip(frame.column_names, frame.columns, strict=True):
        kind = column.type
        if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_decimal(kind):
            columns[name] = column.cast(pyarrow.float64()).to_numpy().astype(np.float64)
        else:
            columns[name] = np.array(["" if cell is None else str(cell) for cell in column.to_pylist()])
    return Table(path.name, columns, np.arange(1, frame.num_rows + 1))


def _npz(path: Path) -> Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise IsotropyError(f"{path.name} holds one bare array: write it with numpy.savez.")
            arrays = {name: archive[name] for name in archive.files}
    except IsotropyError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile) as reason:
        raise IsotropyError(f"{path.name} is not an NPZ file of plain arrays ({_first_line(reason)}).") from None
    columns: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if array.ndim not in (1, 2):
            raise IsotropyError(f"Array {name!r} of {path.name} has shape {array.shape}: give each 1 or 2 axes.")
        values = array.astype(np.float64) if array.dtype.kind in "fiub" else array.astype(str)
        parts = {name: values} if array.ndim == 1 else {f"{name}{k}": part for k, part in enumerate(values.T)}
        clash = next((part for part in parts if part in columns), None)
        if clash is not None:
            raise IsotropyError(f"{path.name} gives two columns called {clash!r}: rename one array.")
        columns.update(parts)
    if not columns:
        raise IsotropyError(f"{path.name} holds no array.")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise IsotropyError(f"The arrays of {path.name} differ in length ({shown}): give all the same number of rows.")
    return Table(path.name, columns, np.arange(1, next(iter(lengths.values())) + 1))


def _first_line(reason: Any) -> str:
    return str(reason).strip().splitlines()[0] if str(reason).strip() else type(reason).__name__


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:39] + "…")
