"""Spaces of maps kept on disk, by content, as NPZ without pickle."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np

from ..errors import IsotropyWarning
from ..groups import Representation
from ..version import VERSION
from .space import Block, HomSpace, Irreducible, Part

WORTH_KEEPING = 0.5
"""Seconds that a space must have taken to be written to disk."""

LARGEST = 2**28
"""Bytes of arrays above which a space is not written."""


def folder() -> Path | None:
    """Where spaces are kept: ISOTROPY_CACHE, or the platform's cache folder; None if that variable is "off"."""
    chosen = os.environ.get("ISOTROPY_CACHE")
    if chosen:
        return None if chosen.lower() == "off" else Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "isotropy"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "isotropy"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "isotropy"


def path(key: tuple[object, ...]) -> Path | None:
    """The file of a key, which is a hash of both representations' content, the method and the version."""
    where = folder()
    name = hashlib.sha256(json.dumps([VERSION, *map(str, key)]).encode()).hexdigest()
    return None if where is None else where / f"hom-{name}.npz"


def store(space: HomSpace, key: tuple[object, ...]) -> None:
    """Write a space; a folder that cannot be written is reported and otherwise does no harm."""
    file = path(key)
    arrays, words = _arrays(space)
    if file is None or sum(a.nbytes for a in arrays.values()) > LARGEST:
        return
    arrays["words"] = np.frombuffer(json.dumps(words).encode(), dtype=np.uint8)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as handle:
            np.savez(handle, allow_pickle=False, **arrays)
        os.replace(handle.name, file)
    except OSError as reason:
        warnings.warn(
            f"The cache in {file.parent} could not be written ({reason}): set ISOTROPY_CACHE to a folder, or to 'off'.",
            IsotropyWarning,
            stacklevel=4,
        )


def load(source: Representation, target: Representation, key: tuple[object, ...]) -> HomSpace | None:
    """Read a space, or None if there is none or its file is damaged (which is reported)."""
    file = path(key)
    if file is None or not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as record:
            arrays = {name: record[name] for name in record.files}
        words = json.loads(arrays["words"].tobytes())
        blocks = tuple(
            Block(
                kind,
                arrays[f"units{b}"],
                *(
                    tuple(
                        Part(arrays[f"offsets{b}{side}{p}"], arrays[f"frame{number}"])
                        for p, number in enumerate(numbers)
                    )
                    for side, numbers in (("s", source_parts), ("t", target_parts))
                ),
            )
            for b, (kind, source_parts, target_parts) in enumerate(words["blocks"])
        )
        return HomSpace(
            source,
            target,
            tuple(Irreducible(*entry) for entry in words["irreducibles"]),
            blocks,
            words["residual"],
            words["floor"],
            mix=arrays.get("mix"),
            particular=arrays.get("particular"),
            affine=words["affine"],
            reason=words["reason"],
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as reason:
        warnings.warn(
            f"The cached file {file.name} is damaged ({reason}) and is made again.", IsotropyWarning, stacklevel=3
        )
        return None


def _arrays(space: HomSpace) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Arrays by name, a frame that several parts share once, and what JSON holds."""
    arrays: dict[str, np.ndarray] = {}
    frames: dict[int, int] = {}
    blocks = []
    for b, block in enumerate(space.blocks):
        arrays[f"units{b}"] = block.units
        numbers = []
        for side, parts in (("s", block.source), ("t", block.target)):
            for p, part in enumerate(parts):
                arrays[f"offsets{b}{side}{p}"] = part.offsets
                arrays[f"frame{frames.setdefault(id(part.frame), len(frames))}"] = part.frame
            numbers.append([frames[id(part.frame)] for part in parts])
        blocks.append([block.kind, *numbers])
    arrays |= {name: a for name, a in (("mix", space.mix), ("particular", space.particular)) if a is not None}
    words = {
        "blocks": blocks,
        "irreducibles": [[i.dimension, i.kind, i.source, i.target] for i in space.irreducibles],
        "residual": space.residual,
        "floor": space.floor,
        "affine": space.affine,
        "reason": space.reason,
    }
    return arrays, words
