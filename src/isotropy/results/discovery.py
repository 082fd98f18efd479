"""What `discover` found: generators, how many, their algebra, the evidence, and the words for all of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import sympy
from jaxtyping import Float

from ..geometry.expression import to_sympy
from ..geometry.grammar import parse_expression
from ..groups.algebra import LieAlgebra
from ..groups.identify import TOO_NOISY
from ..numerics import readable
from ..numerics.decide import Decision
from ..numerics.sparse import SAFETY
from .store import Stored

Terms = tuple[tuple[str, tuple[tuple[float, str], ...]], ...]
"""A generator in parts: for each coordinate, its coefficients and the functions they multiply."""


ALIASES = 3
"""How many other names of an algebra are printed; all are in ``algebra.aliases``."""


@dataclass(frozen=True)
class Unseen:
    """Candidate directions that vanish on every sample: nothing can be said about them from these samples."""

    coefficients: Float[np.ndarray, "u q"]
    text: tuple[str, ...]

    @property
    def dimension(self) -> int:
        """How many independent directions cannot be seen."""
        return len(self.coefficients)


@dataclass(frozen=True)
class Element:
    """One group element that was tried: its ``matrix`` (homogeneous where it also shifts), and what became of it.

    ``defect`` is how far it changes the model, 1 being as far as unrelated points differ; None where the model has no
    value at the points moved. ``kept`` is True, False, or None where it cannot be told; ``bound`` is an upper
    confidence bound on the defect, where data allow one, and ``reason`` what the verdict rests on.
    """

    matrix: np.ndarray
    text: str
    defect: float | None
    kept: bool | None
    bound: float | None = None
    reason: str = ""

    def __str__(self) -> str:
        if self.kept:
            return f"kept: {self.text}" + ("" if self.bound is None else f" (defect of at most {self.bound:.1e})")
        size = (self.reason or "no value at the points moved") if self.defect is None else f"defect {self.defect:.1e}"
        if self.kept is None and self.bound is not None and np.isfinite(self.bound):
            size += f", and up to {self.bound:.1e}"
        return f"{'cannot tell' if self.kept is None else 'broken'}: {self.text} ({size})"

    def to_dict(self) -> dict[str, Any]:
        """The record as numbers and text."""
        return {
            "matrix": self.matrix,
            "text": self.text,
            "defect": self.defect,
            "kept": self.kept,
            "bound": self.bound if self.bound is None or np.isfinite(self.bound) else None,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Element:
        """The inverse of `to_dict`; a bound that was infinite is none."""
        return cls(**{**record, "matrix": np.asarray(record["matrix"])})


@dataclass(frozen=True)
class Representation:
    """How a group given beforehand acts: ``matrices`` (d, n, n) obey its structure constants in its own basis.

    ``type`` is the sum of irreducibles in words: ``V3 + V5`` for dimensions 3 and 5, ``V2(1) + V2(2)`` for planes that
    a circle turns once and twice. ``angle`` is that to the generators as found, in degrees.
    """

    group: str
    type: str
    matrices: np.ndarray
    angle: float

    def __str__(self) -> str:
        return f"representation of {self.group}: {self.type}, {self.angle:.2g} degrees from the generators as found"


@dataclass(frozen=True)
class Discovery(Stored):
    """The symmetries found among q candidate generators.

    ``coefficients`` (d, q) are in the basis of candidates, ``generators`` the same as matrices or coefficient tables,
    in a sparse readable basis; ``generator_text`` has a line for each. ``spectrum`` holds the singular values of the
    normalised operator, descending, each a relative defect; ``floors`` what rounding and noise could make of a zero in
    the direction of each; ``defects`` (d,) how far each generator is from a symmetry, as a fraction of its
    action; ``bounds`` (d,) are upper confidence bounds on them, where the data allow a certificate, else None;
    ``noise`` the relative error of the coefficients.

    ``leaving`` are the directions that take a trained model's data elsewhere, where it has not been trained.
    ``representation`` is that of a group given beforehand, where one was; the generators are then its own.
    ``components`` are the single group elements that were tried, printed where the caller asked for them.
    ``algebra`` is the Lie algebra the generators span (modulo what is unseen), or None where they do not close.
    ``scaling_power`` is p where the span holds x -> s x, u -> s^p u. ``closure`` is the relative size of brackets that
    leave the span; ``truncated`` says that brackets leave the
    candidates themselves (fields of degree two or more), in which case the name is that of the closed part.
    """

    kind: ClassVar[str] = "discovery"

    candidates: int
    coefficients: Float[np.ndarray, "d q"]
    generators: np.ndarray
    generator_text: tuple[str, ...]
    terms: tuple[Terms, ...]
    variables: tuple[str, ...]
    spectrum: Float[np.ndarray, " s"]
    floors: Float[np.ndarray, " s"]
    defects: Float[np.ndarray, " d"]
    decision: Decision
    unseen: Unseen
    algebra: LieAlgebra | None
    closure: float
    truncated: bool
    action: str
    noise: float
    scaling_power: float | None = None
    bounds: Float[np.ndarray, " d"] | None = None
    remarks: tuple[str, ...] = ()
    components: tuple[Element, ...] = ()
    representation: Representation | None = None
    leaving: Unseen | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """How many independent generators were found."""
        return len(self.coefficients)

    @property
    def name(self) -> str:
        """The name of the algebra; ``none`` for no generator, ``unnamed`` where the span is not known to close.

        Data so noisy that they refute no candidate at all leave the list of candidates, and its name would say nothing.
        """
        if self.dimension == 0:
            return "none"
        if self.algebra is None:
            return "unnamed"
        if self.decision.verdict == "cannot tell" and self.decision.noise and self.dimension == len(self.spectrum):
            return f"{self.dimension}-dimensional, {TOO_NOISY}"
        return self.algebra.name

    def __str__(self) -> str:
        count = f"{self.dimension} of {self.candidates} candidate generators"
        gap = f", gap {self.decision.gap:.1e}" if np.isfinite(self.decision.gap) else ""
        head = "no symmetry" if self.dimension == 0 else self.name
        lines = [f"{head}: {count} (verdict: {self.decision.verdict}{gap})"]
        lines += [f"  {text}" for text in self.generator_text]
        if self.algebra is not None and self.dimension > 1 and self.algebra.aliases:
            lines.append(f"also known as: {', '.join(self.algebra.aliases[:ALIASES])}")
        if self.truncated:
            lines.append("truncated: some brackets leave the candidates; the name is that of the closed part")
        if self.unseen.dimension:
            shown = "; ".join(self.unseen.text[:4]) + ("; …" if self.unseen.dimension > 4 else "")
            lines.append(f"unseen on these samples: {self.unseen.dimension} direction(s): {shown}")
        if self.leaving is not None and self.leaving.dimension:
            shown = "; ".join(self.leaving.text[:4]) + ("; …" if self.leaving.dimension > 4 else "")
            lines.append(f"leaves the data: {self.leaving.dimension} direction(s), not judged: {shown}")
        if self.representation is not None:
            lines.append(f"{self.representation}")
        if self.decision.verdict == "cannot tell":
            lines.append(f"cannot tell: {self.decision.reason}")
        if self.settings.get("components") == "given":
            lines += [f"{element}" for element in self.components]
        lines += [f"{remark}" for remark in self.remarks]
        return "\n".join(lines)

    def to_sympy(self) -> tuple[dict[sympy.Symbol, sympy.Expr], ...]:
        """Each generator as a dictionary from coordinates to expressions: the velocity of that coordinate."""
        symbols = [sympy.Symbol(name) for name in self.variables]
        found = []
        for generator in self.terms:
            velocity: dict[sympy.Symbol, sympy.Expr] = {}
            for variable, parts in generator:
                values = np.array([c for c, _ in parts])
                numbers = readable.snap(values, SAFETY * self.noise * np.abs(values))
                features = [to_sympy(parse_expression(name, self.variables), symbols) for _, name in parts]
                total = (readable.sympy_number(c) * f for c, f in zip(numbers, features, strict=True))
                velocity[sympy.Symbol(variable)] = sympy.Add(*total)
            found.append(velocity)
        return tuple(found)

    def plot(self) -> Any:
        """A Matplotlib figure of the spectrum with its floor and, in two or three dimensions, of the generators."""
        from ..report.plots import discovery_figure

        return discovery_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the functions themselves, as numbers, text and arrays."""
        return {
            "name": self.name,
            "dimension": self.dimension,
            "candidates": self.candidates,
            "coefficients": self.coefficients,
            "generators": self.generators,
            "generator_text": list(self.generator_text),
            "terms": [[[v, [[c, n] for c, n in parts]] for v, parts in g] for g in self.terms],
            "variables": list(self.variables),
            "spectrum": self.spectrum,
            "floors": self.floors,
            "defects": self.defects,
            "decision": self.decision.to_dict(),
            "unseen": _unseen_to_dict(self.unseen),
            "algebra": None if self.algebra is None else self.algebra.to_dict(),
            "closure": self.closure,
            "truncated": self.truncated,
            "action": self.action,
            "noise": self.noise,
            "scaling_power": self.scaling_power,
            "bounds": self.bounds,
            "remarks": list(self.remarks),
            "components": [element.to_dict() for element in self.components],
            "representation": None if self.representation is None else asdict(self.representation),
            "leaving": _unseen_to_dict(self.leaving),
            "settings": self.settings,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Discovery:
        """The inverse of `to_dict`."""
        return cls(
            candidates=int(record["candidates"]),
            coefficients=np.asarray(record["coefficients"]),
            generators=np.asarray(record["generators"]),
            generator_text=tuple(record["generator_text"]),
            terms=tuple(tuple((v, tuple((float(c), n) for c, n in parts)) for v, parts in g) for g in record["terms"]),
            variables=tuple(record["variables"]),
            spectrum=np.asarray(record["spectrum"]),
            floors=np.asarray(record["floors"]),
            defects=np.asarray(record["defects"]),
            decision=Decision.from_dict(record["decision"]),
            unseen=_unseen(record["unseen"]) or Unseen(np.zeros((0, int(record["candidates"]))), ()),
            algebra=None if record["algebra"] is None else LieAlgebra.from_dict(record["algebra"]),
            closure=float(record["closure"]),
            truncated=bool(record["truncated"]),
            action=record["action"],
            noise=float(record["noise"]),
            scaling_power=None if record["scaling_power"] is None else float(record["scaling_power"]),
            bounds=None if record.get("bounds") is None else np.asarray(record["bounds"]),
            remarks=tuple(record["remarks"]),
            components=tuple(Element.from_dict(entry) for entry in record.get("components", ())),
            representation=_representation(record.get("representation")),
            leaving=_unseen(record.get("leaving")),
            settings=record["settings"],
        )


def _representation(record: dict[str, Any] | None) -> Representation | None:
    return None if record is None else Representation(**{**record, "matrices": np.asarray(record["matrices"])})


def _unseen_to_dict(directions: Unseen | None) -> dict[str, Any] | None:
    return None if directions is None else {"coefficients": directions.coefficients, "text": list(directions.text)}


def _unseen(record: dict[str, Any] | None) -> Unseen | None:
    return None if record is None else Unseen(np.asarray(record["coefficients"]), tuple(record["text"]))
