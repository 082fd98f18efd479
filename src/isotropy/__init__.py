"""Symmetry in machine learning: discover, enforce and promote it with one object, the Lie derivative."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import fields, groups, nn, spaces, testing
    from .discover import discover
    from .dynamics import Trajectories, conserve
    from .enforce import enforce
    from .errors import IsotropyError, IsotropyWarning
    from .estimators import SymmetricRegressor
    from .geometry.action import Action
    from .geometry.cloud import Cloud
    from .geometry.data import Data
    from .geometry.motion import VectorFields
    from .geometry.sample import Samples
    from .geometry.trained import Trained
    from .groups.algebra import LieAlgebra
    from .hom import hom
    from .jets import symmetries_of
    from .penalty import Penalty
    from .promote import promote
    from .results.basis import Basis
    from .results.discovery import Discovery

# Names are imported on first use, so that `isotropy --help` does not wait for JAX.
_HOMES = {
    "Action": "geometry.action",
    "Basis": "results.basis",
    "Cloud": "geometry.cloud",
    "Data": "geometry.data",
    "Discovery": "results.discovery",
    "IsotropyError": "errors",
    "IsotropyWarning": "errors",
    "LieAlgebra": "groups.algebra",
    "Penalty": "penalty",
    "Samples": "geometry.sample",
    "SymmetricRegressor": "estimators",
    "Trained": "geometry.trained",
    "Trajectories": "dynamics",
    "VectorFields": "geometry.motion",
    "conserve": "dynamics",
    "discover": "discover",
    "enforce": "enforce",
    "hom": "hom",
    "promote": "promote",
    "symmetries_of": "jets",
}
_MODULES = ("fields", "groups", "nn", "spaces", "testing")

__all__ = [
    "Action",
    "Basis",
    "Cloud",
    "Data",
    "Discovery",
    "IsotropyError",
    "IsotropyWarning",
    "LieAlgebra",
    "Penalty",
    "Samples",
    "SymmetricRegressor",
    "Trained",
    "Trajectories",
    "VectorFields",
    "conserve",
    "discover",
    "enforce",
    "fields",
    "groups",
    "hom",
    "nn",
    "promote",
    "spaces",
    "symmetries_of",
    "testing",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _FrontDoor(ModuleType):
    """The package itself. A verb and its file share a name; importing the file must not hide the verb."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
