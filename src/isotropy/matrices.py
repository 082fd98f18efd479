"""A basis of matrices from a file: NPZ with one array, or JSON with nested lists."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from . import validate
from .errors import IsotropyError


def read(path: str | Path) -> Float[np.ndarray, "q n n"]:
    """The array (q, n, n) in ``path``. Raises `IsotropyError` for a file that is missing or holds something else."""
    path = Path(path)
    if not path.is_file():
        raise IsotropyError(f"There is no file {str(path)!r}: check the path.")
    if path.suffix not in (".npz", ".json"):
        raise IsotropyError(f"{path.name} ends in {path.suffix or 'nothing'!r}: give the matrices as .npz or .json.")
    try:
        values = _npz(path) if path.suffix == ".npz" else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as reason:
        raise IsotropyError(f"{path.name} cannot be read as {path.suffix[1:].upper()} ({reason}).") from None
    matrices = validate.array(values, path.name, ndim=3, complex_ok=True)
    if matrices.shape[1] != matrices.shape[2]:
        raise IsotropyError(f"{path.name} holds an array of shape {matrices.shape}: the matrices must be square.")
    return matrices


def _npz(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        if not isinstance(archive, np.lib.npyio.NpzFile) or len(archive.files) != 1:
            raise ValueError("it must hold one array")
        return archive[archive.files[0]]
