"""Which real form a simple real Lie algebra is, and the names of reductive ones.

The complex type follows from the dimension and the rank, except that B_n, C_n and E_6 share them and are told apart
by their roots. The real form follows from the signature of the Killing form, its *character*. Sources: S. Helgason,
*Differential Geometry, Lie Groups, and Symmetric Spaces*, ch. X, table V; A. W. Knapp, *Lie Groups Beyond an
Introduction*, 2nd ed., sec. VI.10 and app. C. The character is shared by forms that are not isomorphic only from
dimension 153 on (so(6,12) and so*(18)); then both names are given and no choice is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from . import structure

EXCEPTIONAL = {  # (dimension, rank): characters of the real forms, from the compact to the split one
    "g2": (14, 2, (-14, 2)),
    "f4": (52, 4, (-52, -20, 4)),
    "e6": (78, 6, (-78, -26, -14, 2, 6)),
    "e7": (133, 7, (-133, -25, -5, 7)),
    "e8": (248, 8, (-248, -24, 8)),
}

# of isomorphic names the first listed here is the canonical one
PREFERRED = (
    "so(3)", "sl(2,R)", "so(1,3)", "so(5)", "so(1,4)", "sp(4,R)", "so(6)", "so(1,5)", "so(2,4)", "sl(4,R)", "su(1,3)",
    "so(2,6)", "sp(4,C)", "sl(4,C)",
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """A canonical name and names of isomorphic algebras; the dimension where it orders a sum."""

    name: str
    aliases: tuple[str, ...] = ()
    dimension: int = 0


def simple_names(c: np.ndarray, floor: float, *, seed: int = 0) -> Names | None:
    """The name of a simple real Lie algebra, or None if no real form fits (then it was not simple)."""
    q = c.shape[0]
    generic = structure.adjoint(c, np.random.default_rng(seed).standard_normal(q) / np.sqrt(q))
    rank = len(structure.null_space(generic, floor))
    eigenvalues = np.linalg.eigvalsh(structure.killing_form(c))
    character = int((eigenvalues > 0).sum() - (eigenvalues < 0).sum())
    found = [(kind, name) for kind, dim, char, name in forms(rank) if dim == q and char == character]
    copies = 2 if any(kind.startswith("X") for kind, _ in found) else 1  # a complex algebra has its roots twice
    if len({kind for kind, _ in found}) > 1 and rank > 2 * copies:  # below, the root systems B and C are one
        kind = root_kind(np.linalg.eigvals(generic), rank // copies, copies)
        found = [(k, name) for k, name in found if k[-1] == kind or k[-1] in "AD"]
    names = list(dict.fromkeys(name for _, name in found))
    if not names:
        return None
    if len(names) > 1 and not _isomorphic(names):
        return Names(" or ".join(names), (), q)
    names.sort(key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))
    return Names(names[0], tuple(names[1:]), q)


def _isomorphic(names: list[str]) -> bool:
    """Whether equal dimension, rank and character mean isomorphic: they do below dimension 153."""
    return not any(name.startswith(("so*(", "su*(")) and int(name[4:-1]) > 8 for name in names)


def root_kind(roots: np.ndarray, rank: int, copies: int = 1) -> str:
    """B, C or E for a root system of this rank, given as values on one generic element.

    The number of roots b such that a + b is a root is largest for 2n roots of B_n (the short ones), for
    2n(n - 1) roots of C_n (the short ones), and for all 72 of E_6.
    """
    roots = roots[np.argsort(np.abs(roots))][rank * copies :]
    sums = roots[:, None] + roots[None, :]
    distance = np.abs(sums[:, :, None] - roots[None, None, :]).min(axis=2)
    ordered = np.maximum(np.sort(distance, axis=None), structure.EPS * np.abs(roots).max() * len(roots))
    # true sums agree to the errors, all others miss by the spacing of generic values; how many are true is known for
    # each system (the same for B_n and C_n), so that the wider step tells
    shares = [copies * 4 * rank * (rank - 1) * (2 * rank - 1)] + ([copies * 72 * 20] if rank == 6 else [])
    true = max(shares, key=lambda count: ordered[count] / ordered[count - 1])
    partners = (distance <= ordered[true - 1]).sum(axis=1)
    most = int((partners == partners.max()).sum()) / copies
    sizes = {"B": 2 * rank, "C": 2 * rank * (rank - 1)} | ({"E": 72} if rank == 6 else {})
    return min(sizes, key=lambda kind: abs(sizes[kind] - most))


def forms(rank: int) -> Iterator[tuple[str, int, int, str]]:
    """All simple real algebras of a rank: complex type, real dimension, character, name."""
    n = rank + 1
    dim = n * n - 1
    yield "A", dim, n - 1, f"sl({n},R)"
    for p in range(n // 2 + 1):
        yield "A", dim, 1 - (n - 2 * p) ** 2, f"su({p},{n - p})" if p else f"su({n})"
    if n % 2 == 0:
        yield "A", dim, -n - 1, f"su*({n})"
    for kind, n in (("B", 2 * rank + 1), ("D", 2 * rank)):
        if kind == "D" and rank < 3:
            continue
        for p in range(n // 2 + 1):
            yield kind, n * (n - 1) // 2, (n - (n - 2 * p) ** 2) // 2, f"so({p},{n - p})" if p else f"so({n})"
    if rank >= 3:
        yield "D", rank * (2 * rank - 1), -rank, f"so*({2 * rank})"
    dim = rank * (2 * rank + 1)
    yield "C", dim, rank, f"sp({2 * rank},R)"
    for p in range(rank // 2 + 1):
        yield "C", dim, -2 * (rank - 2 * p) ** 2 - rank, f"sp({p},{rank - p})" if p else f"sp({rank})"
    for name, (dim, other, characters) in EXCEPTIONAL.items():
        if other == rank:
            for character in characters:
                tail = {-dim: "", rank: "split"}.get(character, str(character))
                yield "E", dim, character, f"{name}({tail})" if tail else name
        if 2 * other == rank:
            yield "XE", 2 * dim, 0, f"{name}(C)"
    if rank % 2 == 0:
        half = rank // 2
        yield "XA", 2 * half * (half + 2), 0, f"sl({half + 1},C)"
        yield "XB", 2 * half * (2 * half + 1), 0, f"so({2 * half + 1},C)"
        yield "XC", 2 * half * (2 * half + 1), 0, f"sp({2 * half},C)"
        if half >= 3:
            yield "XD", 2 * half * (2 * half - 1), 0, f"so({2 * half},C)"
        if half == 1:
            yield "XA", 6, 0, "so(1,3)"


def reductive_names(simple: list[Names], centre: int) -> Names:
    """The name of a direct sum of simple algebras and R^centre.

    Of two copies of so(3) or of sl(2,R) the name is so(4) or so(2,2). One factor and a line is gl(n,R), u(n) or
    u(p,q) where the factor has the name sl(n,R), su(n) or su(p,q), except so(3)+R.
    """
    counts = Counter(part.name for part in simple)
    aliases = []
    for double, single, others in (("so(4)", "so(3)", ("su(2)+su(2)",)), ("so(2,2)", "sl(2,R)", ())):
        if counts[single] == 2:
            counts[double] += 1
            del counts[single]
            if len(simple) == 2:
                aliases += [f"{single}+{single}{_line(centre, '+')}", *(o + _line(centre, "+") for o in others)]
    if counts == Counter({"so(1,3)": 2}):
        aliases.append("so(4,C)" + _line(centre, "+"))
    if counts == Counter({"so(3)": 1, "sl(2,R)": 1}):
        aliases.append("so*(4)" + _line(centre, "+"))
    parts = [name for name, count in counts.items() for _ in range(count)]
    sizes = {part.name: part.dimension for part in simple} | {"so(4)": 6, "so(2,2)": 6}
    parts.sort(key=lambda name: (-sizes[name], not name.startswith("so("), name))
    name = "+".join(parts) + _line(centre, "+" if parts else "")
    if len(parts) != 1 or (centre == 0 and len(simple) != 1):
        return Names(name, tuple(aliases))
    every = [parts[0], *(simple[0].aliases if len(simple) == 1 else ())]
    if centre == 0:
        return Names(name, tuple(dict.fromkeys([*aliases, *every[1:]])))
    general = [general for other in every for general in _with_centre(other, centre)]
    aliases += [other + _line(centre, "+") for other in every[1:]]
    named = [g for g in general if g.startswith(("gl", "u("))]
    if named and name != "so(3)+R" and not name.startswith(("so(2,4)", "so(1,5)")):
        aliases = [name, *aliases]
        name = named[0]
    return Names(name, tuple(dict.fromkeys(a for a in [*general, *aliases] if a != name)))


def _line(count: int, plus: str) -> str:
    return "" if count == 0 else plus + ("R" if count == 1 else f"R^{count}")


def _with_centre(name: str, centre: int) -> Iterator[str]:
    """gl(n,R) for sl(n,R), u(n) for su(n), co(n) for so(n), each with its centre."""
    kind, inside = name[:-1].split("(")
    if centre == 1 and kind == "sl" and inside.endswith("R"):
        yield f"gl({inside})"
    if centre == 2 and (kind == "sl" and inside.endswith("C")):
        yield f"gl({inside})"
    if centre == 2 and name == "so(1,3)":
        yield "gl(2,C)"
    if centre == 1 and kind == "su":
        yield f"u({inside})"
    if centre == 1 and kind == "so" and not inside.endswith("C"):
        yield f"co({inside})"
    if centre == 1 and kind == "su*":
        yield f"gl({int(inside) // 2},H)"
