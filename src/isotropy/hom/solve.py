"""Equivariant linear maps: by Schur's lemma where the group allows, the rest by a null space inside that."""

from __future__ import annotations

import time
import warnings
from collections import OrderedDict
from dataclasses import replace

import numpy as np

from ..errors import IsotropyError, IsotropyWarning
from ..groups import Representation
from ..numerics.schur import Isotype, NotReducible, decompose
from ..numerics.stack import Stack
from . import cache as disk
from .constrained import constrained
from .reductive import Reductive, nothing, reductive_part, respects_adjoints
from .side import Side
from .space import Block, HomSpace, Irreducible, Part

METHODS = ("auto", "schur", "nullspace")
REMEMBERED = 64
"""How many spaces are kept in memory."""

_memory: OrderedDict[tuple[str, str, str, int], HomSpace] = OrderedDict()


def hom(
    source: Representation, target: Representation, *, method: str = "auto", seed: int = 0, cache: bool = True
) -> HomSpace:
    """The space of linear maps M with ``W_g M = M V_g`` for all of the group: generators and components.

    Where the group's matrices are closed under conjugate transposition, by Schur's lemma: V and W are split into
    irreducibles, once for each different summand, in O(d^3) for the largest summand; copies cost nothing. Otherwise
    (affine, nilpotent, solvable groups, or a basis of one's own) the part that is closed is used so, and the other
    generators are constraints whose null space is taken inside. With points, maps are x -> M x + b.

    The basis is orthonormal in the Frobenius norm, found in float64 and checked against every generator and component;
    `HomSpace.residual` is the defect. A space of dimension zero warns with `IsotropyWarning` and says why. ``seed``
    picks the random elements; it changes the basis, never the space. Results are kept in memory and, where they took
    longer than half a second, in the folder of the environment's ISOTROPY_CACHE ("off" for none).

    >>> from isotropy import groups
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> print(hom(V @ V, S + V).dimension)
    2
    """
    _check(source, target, method)
    key = (source.key, target.key, method, seed)
    if cache and key in _memory:
        _memory.move_to_end(key)
        space = _memory[key]
    else:
        space = (disk.load(source, target, key) if cache else None) or _timed(source, target, method, seed, key, cache)
        if cache:
            _memory[key] = space
            while len(_memory) > REMEMBERED:
                _memory.popitem(last=False)
    if space.reason:
        warnings.warn(f"{space}", IsotropyWarning, stacklevel=2)
    return space


def _check(source: Representation, target: Representation, method: str) -> None:
    for rep, name in ((source, "source"), (target, "target")):
        if not isinstance(rep, Representation):
            raise IsotropyError(
                f"`{name}` must be a representation, as `groups.SO(3).vector`. Got {type(rep).__name__}."
            )
    if source.group != target.group:
        raise IsotropyError(
            f"`source` is a representation of {source.group}, `target` one of {target.group}: "
            f"take both from one group, or lift them to the product with `(G*H).lift(rep)`."
        )
    if method not in METHODS:
        raise IsotropyError(f"`method` must be one of {', '.join(METHODS)}. Got {method!r}.")


def _timed(
    source: Representation, target: Representation, method: str, seed: int, key: tuple[str, str, str, int], cache: bool
) -> HomSpace:
    start = time.perf_counter()
    space = _solve(source, target, method, seed)
    if cache and time.perf_counter() - start > disk.WORTH_KEEPING:
        disk.store(space, key)
    return space


def _solve(source: Representation, target: Representation, method: str, seed: int) -> HomSpace:
    affine = source.has_points or target.has_points
    sides = Side(source, affine), Side(target, affine and target.has_points)
    atoms = list(dict.fromkeys([*sides[0].atoms, *sides[1].atoms]))
    part = reductive_part(source.group)
    reducible = method != "nullspace" and all(
        respects_adjoints(leaf, part) for leaf in {leaf for atom in atoms for leaf in atom.leaves()}
    )
    if method == "schur" and not (reducible and part.is_everything and not affine):
        raise IsotropyError(
            f"`method='schur'` needs matrices closed under conjugate transposition. Those of {source.group} on "
            f"`{source}` and `{target}` are not: use `method='auto'`."
        )
    if not reducible:
        part = nothing(source.group)
    # Affine maps see one more coordinate, the constant 1, on which the group acts as on a scalar.
    every = [*atoms, *([source.group.scalar] if affine else [])]
    try:
        found = decompose([_images(atom, part) for atom in every], seed=seed)
    except NotReducible:
        if method == "schur":
            raise
        part = nothing(source.group)
        found = decompose([_images(atom, part) for atom in every], seed=seed)
    order = {atom: k for k, atom in enumerate(atoms)}
    blocks, irreducibles = _assemble(found.isotypes, sides, order, affine)
    free = HomSpace(source, target, irreducibles, blocks, found.residual, found.floor, affine=affine)
    if not affine and not part.other and not any(len(a.generator_stack.combine(part.rest).values) for a in atoms):
        return _explained(free)
    return _explained(constrained(free, part, seed=seed))


def _images(atom: Representation, part: Reductive) -> Stack:
    """The matrices on one summand of the reductive part's generators and components."""
    stack = atom.generator_stack
    if len(part.rest):
        stack = stack.combine(part.combinations)
    elements = atom.component_stack
    if part.other:
        elements = elements.combine(np.eye(elements.count)[list(part.unitary)])
    stack = stack.below(elements)
    return stack if stack.count else Stack.from_matrices(np.eye(atom.dimension)[None])


def _assemble(
    isotypes: tuple[Isotype, ...], sides: tuple[Side, Side], order: dict[Representation, int], affine: bool
) -> tuple[tuple[Block, ...], tuple[Irreducible, ...]]:
    blocks, irreducibles = [], []
    for isotype in isotypes:
        parts = []
        for side in sides:
            found = [
                Part(starts, isotype.frames[order[atom]])
                for atom, starts in side.atoms.items()
                if isotype.frames[order[atom]].shape[2]
            ]
            if side.affine and isotype.frames[-1].shape[2]:
                found.append(Part(np.array([side.rep.dimension]), isotype.frames[-1]))
            parts.append(tuple(found))
        counts = [sum(p.multiplicity for p in found) for found in parts]
        if any(counts):
            irreducibles.append(Irreducible(isotype.dimension, isotype.kind, *counts))
        if all(counts):
            blocks.append(Block(isotype.kind, isotype.units, *parts))
    blocks.sort(key=lambda b: (b.dimension, b.kind, b.shape))
    irreducibles.sort(key=lambda i: (i.dimension, i.kind, i.source, i.target))
    return tuple(blocks), tuple(irreducibles)


def _explained(space: HomSpace) -> HomSpace:
    """With the reason why a space is zero, for the warning that goes with it."""
    if space.dimension or space.particular is not None:
        return space
    if space.affine and space.target.has_points:
        reason = "no map takes these to a point, because nothing in the source says where the origin is"
    elif space.mix is not None and space.blocks:
        reason = "the part of the group that is closed under transposition allows maps, the rest of it none"
    else:
        sides = [", ".join(str(i) for i in _listed(space, side)) or "nothing" for side in ("source", "target")]
        reason = f"no common irreducible. The source splits into dimensions {sides[0]}, the target into {sides[1]}"
    return replace(space, reason=reason)


def _listed(space: HomSpace, side: str) -> list[str]:
    found = [(i.dimension, getattr(i, side)) for i in space.irreducibles if getattr(i, side)]
    return [f"{d}" if m == 1 else f"{d} ({m} times)" for d, m in found]
