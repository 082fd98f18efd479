"""Symmetry for PySINDy: optimisers for `ps.SINDy(optimizer=...)`, and constraints for its own."""

from ..errors import IsotropyError

try:
    import pysindy as _  # noqa: F401  (absolute: the package of that name, not this one)
except ImportError as reason:
    raise IsotropyError("isotropy.pysindy needs PySINDy: pip install 'isotropy[pysindy]'.") from reason

from .report import report
from .sparse import PromotedSINDy, SymmetricSR3, SymmetricSTLSQ
from .subspace import constraints

__all__ = ["PromotedSINDy", "SymmetricSR3", "SymmetricSTLSQ", "constraints", "report"]
