"""Candidate groups written as text, such as ``gl(3)+gl(3)``: a whitelist over the catalogue, never evaluation."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import groups
from .errors import IsotropyError
from .geometry.action import Action
from .groups import Group, Representation


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue: how the group is written, who makes it, and what it does, in words."""

    written: str
    maker: str
    meaning: str


CATALOGUE = {
    "gl": Entry("gl(n)", "GL", "all linear maps of n coordinates"),
    "sl": Entry("sl(n)", "SL", "linear maps that keep volumes"),
    "so": Entry("so(n)", "SO", "rotations; so(p,q) keeps p times minus and q times plus: so(1,3) is Lorentz"),
    "sp": Entry("sp(n)", "Sp", "linear canonical maps of n/2 positions and n/2 momenta"),
    "u": Entry("u(n)", "U", "unitary maps of n complex coordinates, 2n real ones"),
    "su": Entry("su(n)", "SU", "unitary maps of determinant 1"),
    "scaling": Entry("scaling(n)", "Scaling", "one change of scale of all n coordinates"),
    "heisenberg": Entry("heisenberg(n)", "Heisenberg", "upper unitriangular maps of n+2 coordinates"),
    "t": Entry("t(n)", "T", "translations"),
    "aff": Entry("aff(n)", "Aff", "linear maps and translations"),
    "se": Entry("se(n)", "SE", "rotations and translations: rigid motions"),
    "sim": Entry("sim(n)", "Similarity", "rotations, translations and one change of scale"),
    "poincare": Entry("poincare(p,q)", "Poincare", "so(p,q) and translations"),
    "galilei": Entry("galilei(n)", "Galilei", "rotations, boosts and translations of (t, x) in 1+n coordinates"),
}
"""What may be written for candidates, with the function of `isotropy.groups` that makes each."""

FACTOR = re.compile(r"\s*([A-Za-z]+)\s*\(\s*(\d{1,4}(?:\s*,\s*\d{1,4})*)\s*\)\s*")


def parse(text: str, size: int) -> Group:
    """The group that ``text`` names, moving at most ``size`` coordinates; ``*`` makes products.

    >>> parse("so(3)", 3), parse("so(3)*scaling(1)", 4).size
    (SO(3), 4)
    """
    made: Group | None = None
    for part in text.split("*"):
        factor = _factor(part, text, size)
        made = factor if made is None else made * factor
    assert made is not None  # split() gives at least one part
    return made


def _factor(part: str, text: str, size: int) -> Group:
    match = FACTOR.fullmatch(part)
    if match is None:
        raise IsotropyError(
            f"Candidates {text!r} cannot be read at {part.strip()!r}: write for example gl(3), so(1,3) or gl(3)+gl(3)."
        )
    name, arguments = match[1].lower(), [int(number) for number in match[2].split(",")]
    if name not in CATALOGUE:
        close = difflib.get_close_matches(name, CATALOGUE, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise IsotropyError(
            f"There are no candidates called {match[1]!r}: {hint}`isotropy groups` lists {', '.join(CATALOGUE)}."
        )
    # No group moves fewer coordinates than its arguments say, and gl(9999) would not fit in memory.
    if max(arguments) > size:
        raise IsotropyError(f"{part.strip()} moves at least {max(arguments)} coordinates, but there are {size}.")
    entry = CATALOGUE[name]
    if (len(arguments) > 1 and name not in ("so", "poincare")) or len(arguments) > 2:
        raise IsotropyError(f"{part.strip()} has {len(arguments)} numbers: write {entry.written}.")
    return getattr(groups, entry.maker)(*arguments)


def action(text: str, inputs: Sequence[str], outputs: Sequence[str], *, joint: bool = False) -> Action:
    """The action that ``text`` describes on columns called ``inputs`` and ``outputs``.

    ``a+b`` moves the inputs by a and the outputs by b, independently; ``a`` alone moves the inputs and leaves the
    outputs as they are (invariance), or with ``joint`` moves both by the same element (equivariance). A group of n
    coordinates acts on a multiple of n columns as on that many vectors at once.
    """
    parts = text.split("+")
    if len(parts) > 2:
        raise IsotropyError(f"Candidates {text!r} have {len(parts)} parts: write a on the inputs + b on the outputs.")
    first = parse(parts[0], len(inputs))
    domain = _copies(first, first.point, inputs, "inputs", parts[0])
    if len(parts) == 2:
        if joint:
            raise IsotropyError(f"--joint moves inputs and outputs by one group. Got {text!r}: write one group, no +.")
        second = parse(parts[1], len(outputs))
        made = Action.independent(domain, _copies(second, second.point, outputs, "outputs", parts[1]))
    elif joint:
        made = Action(domain, _copies(first, first.vector, outputs, "outputs", parts[0]))
    else:
        made = Action(domain, len(outputs) * first.scalar)
    return made.named(tuple(inputs), tuple(outputs))


def _copies(group: Group, one: Representation, names: Sequence[str], role: str, text: str) -> Representation:
    size = group.size * (2 if group.is_complex else 1)
    if len(names) % size:
        raise IsotropyError(
            f"{text.strip()} acts on R^{size}, but there are {len(names)} {role} ({', '.join(names)}): "
            f"name {size} columns, or a multiple of it, or choose another group."
        )
    count = len(names) // size
    return one if count == 1 else count * one
