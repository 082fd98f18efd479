"""Checks on what the user hands in: one clear sentence each, in scikit-learn's manner."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import IsotropyError


def array(
    value: Any,
    name: str,
    *,
    ndim: int | tuple[int, ...] | None = None,
    shape: tuple[int | None, ...] | None = None,
    complex_ok: bool = False,
    minimum_size: int = 1,
) -> np.ndarray:
    """``value`` as a finite float array (float32 stays float32, everything else becomes float64).

    ``ndim`` lists the numbers of axes that will do; ``shape`` fixes lengths, ``None`` meaning any.
    Raises `IsotropyError` for what is not numeric, has the wrong shape, is empty, or holds NaN or infinity,
    and then names the first offending entry.
    """
    try:
        result = np.asarray(value)
        if result.dtype == object or result.dtype.kind in "USmM":
            result = result.astype(np.float64)
    except (TypeError, ValueError) as reason:
        raise IsotropyError(
            f"`{name}` must be an array of numbers. Got {type(value).__name__} that does not convert ({reason})."
        ) from None
    if np.iscomplexobj(result):
        if not complex_ok:
            raise IsotropyError(f"`{name}` must be real. Got {result.dtype}: pass its real and imaginary parts.")
        result = result.astype(np.complex128)
    elif result.dtype != np.float32:
        result = result.astype(np.float64)
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed is not None and result.ndim not in allowed:
        wanted = " or ".join(str(k) for k in allowed)
        raise IsotropyError(f"`{name}` must have {wanted} axes. Got shape {result.shape}.")
    if shape is not None and (
        len(shape) != result.ndim
        or any(want is not None and want != got for want, got in zip(shape, result.shape, strict=True))
    ):
        wanted = "(" + ", ".join("any" if k is None else str(k) for k in shape) + ")"
        raise IsotropyError(f"`{name}` must have shape {wanted}. Got {result.shape}.")
    if result.size < minimum_size:
        raise IsotropyError(f"`{name}` is empty (shape {result.shape}): pass at least one entry.")
    finite = np.isfinite(result)
    if not finite.all():
        where = tuple(int(k) for k in np.argwhere(~finite)[0])
        count = int((~finite).sum())
        raise IsotropyError(
            f"`{name}` has {count} value(s) that are NaN or infinite, the first at index {where}: "
            f"remove those rows or fill them in before the call."
        )
    return result
