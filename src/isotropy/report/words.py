"""What an answer says, in sentences for someone who meets it for the first time."""

from __future__ import annotations

from ..numerics.decide import Decision
from ..results.discovery import Discovery
from ..results.laws import Laws

VERDICTS = {
    "certain": "The gap between what is zero and what is not leaves no doubt, up to rounding.",
    "supported": "The data support this: what is zero and what is not are clearly apart, beyond the noise seen.",
    "none": "Nothing passed: this is an answer, not a failure.",
    "cannot tell": "These data do not decide it. Do not build on the list below.",
}
"""Verdict -> what it means for the reader."""


def headline(answer: Discovery | Laws) -> str:
    """One sentence with the answer.

    The names of generators and laws follow it in full elsewhere.
    """
    if isinstance(answer, Laws):
        count = len(answer.independent)
        if answer.decision.verdict == "cannot tell":
            return f"Whether anything is conserved cannot be told: {count} candidate law{_s(count)}."
        if answer.dimension == 0:
            return f"Nothing among {answer.space.dimension} functions is conserved."
        return f"{count} independent conservation law{_s(count)} among {answer.space.dimension} functions."
    if answer.decision.verdict == "cannot tell":
        return f"Cannot tell: {answer.dimension} of {answer.candidates} candidate generators might be symmetries."
    if answer.dimension == 0:
        return f"No symmetry among {answer.candidates} candidate generators."
    return f"{answer.name}: {answer.dimension} of {answer.candidates} candidate generators are symmetries."


def verdict(decision: Decision) -> str:
    """The verdict, what it means, and the reason recorded with it."""
    reason = decision.reason.strip()
    return f"{VERDICTS.get(decision.verdict, '')} Reason: {reason}{'' if reason.endswith('.') else '.'}".strip()


def evidence(decision: Decision) -> dict[str, str]:
    """The numbers of a decision, named."""
    numbers = {"taken for zero": str(decision.nullity), "floor": f"{decision.floor:.1e}", "gap": f"{decision.gap:.1e}"}
    if decision.noise > 0:
        numbers["noise"] = f"{decision.noise:.1e}"
    return numbers


def _s(count: int) -> str:
    return "" if count == 1 else "s"
