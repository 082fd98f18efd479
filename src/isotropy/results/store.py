"""Saving and loading answers as JSON or NPZ. Nothing is ever pickled, and nothing read from a file is evaluated."""

from __future__ import annotations

import json
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import IsotropyError

FORMAT = "isotropy/1"
"""Name and version of the format, written into every file and checked on loading."""

NPZ_RECORD = "record"
"""The NPZ entry that holds the JSON text; array entries are named after their place in it."""


class Stored(ABC):
    """An answer that files hold: it has `to_dict` and `from_dict`, and ``kind`` is its name in the file."""

    kind: ClassVar[str]

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain values and arrays that `from_dict` reads back."""

    @classmethod
    @abstractmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""

    def save(self, path: str | Path) -> Path:
        """Write to a ``.json`` or ``.npz`` file, and return its path. A space of Python functions cannot be saved."""
        return save(path, self.kind, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. Raises `IsotropyError` for a missing, unreadable or foreign file, or another kind."""
        return cls.from_dict(load(path, cls.kind))


def save(path: str | Path, kind: str, record: dict[str, Any]) -> Path:
    """Write ``record`` (numbers, text, lists, dictionaries and NumPy arrays) to ``path``, whose ending says how.

    ``.json`` is text that any language reads; ``.npz`` keeps arrays in binary. Floats are exact in both.
    """
    path = Path(path)
    whole = {"format": FORMAT, "kind": kind, **record}
    if path.suffix == ".json":
        path.write_text(json.dumps(_pack(whole, None, ""), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    elif path.suffix == ".npz":
        arrays: dict[str, np.ndarray] = {}
        text = json.dumps(_pack(whole, arrays, ""), allow_nan=False)
        with path.open("wb") as file:
            np.savez(file, **{NPZ_RECORD: np.array(text)}, **arrays)  # pyright: ignore[reportArgumentType]
    else:
        raise IsotropyError(f"`path` must end in .json or .npz. Got {path.name!r}.")
    return path


def load(path: str | Path, kind: str) -> dict[str, Any]:
    """Read what `save` wrote. Raises `IsotropyError` for a missing, unreadable or foreign file, or another kind."""
    path = Path(path)
    if not path.is_file():
        raise IsotropyError(f"there is no file {str(path)!r}: check the path.")
    foreign = f"{str(path)!r} is not a file that isotropy saved"
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            record = json.loads(str(arrays.pop(NPZ_RECORD)))
        else:
            arrays, record = {}, json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as reason:
        raise IsotropyError(f"{foreign} ({type(reason).__name__}): save it again with `.save(path)`.") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise IsotropyError(f"{foreign}: its format is not {FORMAT!r}.")
    if record.get("kind") != kind:
        raise IsotropyError(f"{str(path)!r} holds a {record.get('kind')!r}, not a {kind!r}: load it with that class.")
    try:
        return _unpack({k: v for k, v in record.items() if k not in ("format", "kind")}, arrays)
    except (KeyError, TypeError, ValueError) as reason:
        raise IsotropyError(f"{foreign} whole ({type(reason).__name__}): part of it is missing.") from None


def _pack(value: Any, arrays: dict[str, np.ndarray] | None, place: str) -> Any:
    if isinstance(value, np.ndarray):
        if arrays is not None:
            arrays[place] = value
            return {"npz": place}
        complex_valued = np.iscomplexobj(value)
        flat = np.stack([value.real, value.imag], -1) if complex_valued else value
        return {"array": flat.tolist(), "dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(key): _pack(item, arrays, f"{place}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item, arrays, f"{place}.{k}".lstrip(".")) for k, item in enumerate(value)]
    return value


def _unpack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"npz"}:
            return arrays[value["npz"]]
        if set(value) == {"array", "dtype", "shape"}:
            dtype = np.dtype(value["dtype"])
            if dtype.kind == "c":
                pairs = np.asarray(value["array"], dtype=np.float64).reshape(*value["shape"], 2)
                return (pairs[..., 0] + 1j * pairs[..., 1]).astype(dtype)
            return np.asarray(value["array"], dtype=dtype).reshape(value["shape"])
        return {key: _unpack(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    return value
