"""A fitted model and its symmetry, in words."""

from __future__ import annotations

import io
from typing import Any

from sklearn.utils.validation import check_is_fitted

from ..errors import IsotropyError
from .optimise import SymmetricOptimizer


def report(model: Any, *, precision: int = 3) -> str:
    """The equations of a fitted `ps.SINDy` or `ps.DiscreteSINDy`, and below them the symmetry imposed or kept."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "opt", optimizer)  # inside an ensemble
    if not isinstance(optimizer, SymmetricOptimizer):
        raise IsotropyError(
            f"`report` takes a model whose optimizer is one of isotropy.pysindy, such as `SymmetricSTLSQ(action)`. "
            f"Got {type(optimizer).__name__}."
        )
    check_is_fitted(optimizer)
    page = io.StringIO()
    model.print(precision=precision, file=page)
    if optimizer.symmetries_ is None:
        return page.getvalue() + "no symmetry was asked for"
    how = {"enforce": "enforced", "promote": "promoted", "auto": "tested"}[optimizer.how]
    found = optimizer.symmetries_
    if found.candidates:
        return f"{page.getvalue()}{how}: {found}"
    kept = sum(element.kept is True for element in found.components)
    lines = [f"{how}: {kept} of {len(found.components)} elements", *(f"  {element}" for element in found.components)]
    return page.getvalue() + "\n".join(lines)
