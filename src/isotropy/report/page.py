"""One HTML page that answers in words first and shows its evidence after: a single file without outside resources."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import metadata, resources
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from ..dynamics import Trajectories
from ..errors import IsotropyError
from ..results.discovery import Discovery
from ..results.laws import Laws
from . import plots, theme, words

PACKAGES = ("isotropy", "jax", "numpy", "scipy", "sympy", "matplotlib")
"""Whose versions the page records, with that of Python."""

GLIMPSE = 4
"""Generators or laws shown beside a question in the summary; all of them stand in its part."""


@dataclass(frozen=True)
class Part:
    """One question, its answer, and what it was asked of.

    ``data`` are the motions or the sample points that the answer came from; ``facts`` names them in words (file,
    rows, columns), ``settings`` what was chosen, ``notes`` are paragraphs for the reader, ``variables`` the names of
    the coordinates.
    """

    question: str
    answer: Discovery | Laws
    data: Trajectories | Float[np.ndarray, "p m"]
    variables: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def write(path: str | Path, title: str, parts: Sequence[Part], *, lead: Sequence[str] = ()) -> Path:
    """Write the page to ``path`` and return the path. Raises `IsotropyError` where it cannot be written."""
    path = Path(path)
    text = page(title, parts, lead=lead)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as reason:
        raise IsotropyError(f"The page cannot be written to {str(path)!r}: {reason.strerror or reason}.") from None
    return path


def page(title: str, parts: Sequence[Part], *, lead: Sequence[str] = ()) -> str:
    """The page as text. Whatever the user wrote (names of columns and files among it) is escaped."""
    style = resources.files("isotropy.report").joinpath("page.css").read_text(encoding="utf-8")
    body = [
        f"<header><h1>{escape(title)}</h1>",
        *(f"<p>{escape(text)}</p>" for text in lead),
        _summary(parts),
        "</header>",
    ]
    body += [_part(number, part, alone=len(parts) == 1) for number, part in enumerate(parts, start=1)]
    body.append(_footer())
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Nothing may be fetched and no script may run, even if an escape were missed.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}{_palette()}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _palette() -> str:
    """The colours of `theme` as variables; in the dark, lifted towards white to keep their contrast."""
    light = "".join(f"--series-{k}:{colour};" for k, colour in enumerate(theme.SERIES))
    dark = "".join(f"--series-{k}:color-mix(in srgb, {colour} 62%, white);" for k, colour in enumerate(theme.SERIES))
    return f":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"


def _summary(parts: Sequence[Part]) -> str:
    if len(parts) == 1:
        return ""
    rows = [
        f'<li><a href="#part-{k}">{escape(part.question)}</a> {_badge(part)}<br>'
        f"{escape(words.headline(part.answer))}{_glimpse(part.answer)}</li>"
        for k, part in enumerate(parts, start=1)
    ]
    return '<ol class="summary">' + "\n".join(rows) + "</ol>"


def _glimpse(answer: Discovery | Laws) -> str:
    """The first few things found, where the answer fits under its question."""
    found = answer.generator_text if isinstance(answer, Discovery) else answer.text
    shown = [f"<li><code>{escape(text)}</code></li>" for text in found[:GLIMPSE]]
    more = [f"<li>and {len(found) - GLIMPSE} more</li>"] if len(found) > GLIMPSE else []
    return f"<ul class=glimpse>{''.join(shown + more)}</ul>" if found else ""


def _badge(part: Part) -> str:
    verdict = part.answer.decision.verdict
    return f'<span class="verdict {escape(verdict.replace(" ", "-"))}">{escape(verdict)}</span>'


def _part(number: int, part: Part, *, alone: bool) -> str:
    answer = part.answer
    pieces = [
        f'<section id="part-{number}">',
        # The title of a page with one part is its question.
        "" if alone else f"<h2>{escape(part.question)}</h2>",
        f'<p class="answer">{escape(words.headline(answer))} {_badge(part)}</p>',
        *(f"<p>{escape(note)}</p>" for note in part.notes),
        f"<p>{escape(words.verdict(answer.decision))}</p>",
        _findings(answer),
        _elements(answer),
        _remarks(answer),
        '<div class="figures">',
        *_figures(number, part),
        "</div>",
        "<details><summary>Data, settings and numbers</summary>",
        _definitions("Data", part.facts),
        _definitions("Settings", {**{k: str(v) for k, v in answer.settings.items()}, **part.settings}),
        _definitions("Decision", words.evidence(answer.decision)),
        f"<h3>As printed</h3><pre>{escape(str(answer))}</pre>",
        "</details>",
        "</section>",
    ]
    return "\n".join(piece for piece in pieces if piece)


def _findings(answer: Discovery | Laws) -> str:
    if isinstance(answer, Discovery):
        limits = [""] * answer.dimension
        if answer.bounds is not None:
            limits = [f", and by at most {bound:.1e}{_sure(answer)}" for bound in answer.bounds]
        items = [
            f'<li><code>{escape(text)}</code> <span class="quiet">off by {defect:.1e} of its action{limit}</span></li>'
            for text, defect, limit in zip(answer.generator_text, answer.defects, limits, strict=True)
        ]
        return _titled("Generators", f"<ol class=found>{''.join(items)}</ol>") if items else ""
    notes = {
        law: f", equal to {formula}" if formula else ", a function of " + ", ".join(f"I{k + 1}" for k in parents)
        for law, parents, formula in answer.dependent
    }
    items = [
        f"<li><code>I{k + 1} = {escape(text)}</code> "
        f'<span class="quiet">drifts by {drift:.1e} of its spread{escape(notes.get(k, ""))}</span></li>'
        for k, (text, drift) in enumerate(zip(answer.text, answer.drift, strict=True))
    ]
    return _titled("Laws", f"<ul class=found>{''.join(items)}</ul>") if items else ""


def _sure(answer: Discovery) -> str:
    level = answer.settings.get("level")
    return "" if level is None else f" with a confidence of {1 - level:.0%}"


def _elements(answer: Discovery | Laws) -> str:
    """The single elements that were tried: the verdict of each, and what it rests on."""
    if isinstance(answer, Laws) or not answer.components:
        return ""
    items = [
        f"<li>{escape(str(element))}"
        + (f' <span class="quiet">{escape(element.reason)}</span>' if element.reason else "")
        + "</li>"
        for element in answer.components
    ]
    return _titled("Single elements", f"<ul>{''.join(items)}</ul>")


def _titled(title: str, content: str) -> str:
    return f"<h3>{escape(title)}</h3>\n{content}"


def _remarks(answer: Discovery | Laws) -> str:
    remarks = list(answer.remarks)
    if isinstance(answer, Discovery):
        if answer.unseen.dimension:
            remarks.append(
                f"{answer.unseen.dimension} direction(s) vanish on all of these samples, so nothing can be said of "
                f"them: {'; '.join(answer.unseen.text)}"
            )
        if answer.leaving is not None and answer.leaving.dimension:
            remarks.append(
                f"{answer.leaving.dimension} direction(s) take the data elsewhere, where the model was never trained, "
                f"and are neither kept nor broken: {'; '.join(answer.leaving.text)}"
            )
        if answer.truncated:
            remarks.append("Some brackets leave the candidates; the name is that of the closed part.")
    elif answer.constant_text:
        remarks.append("Constant over all the data, so not counted: " + "; ".join(answer.constant_text))
    return "<ul>" + "".join(f"<li>{escape(remark)}</li>" for remark in remarks) + "</ul>" if remarks else ""


def _figures(number: int, part: Part) -> list[str]:
    answer, data = part.answer, part.data
    made: list[tuple[Figure | None, str, str]] = []
    if isinstance(answer, Laws) and isinstance(data, Trajectories):
        made.append((plots.laws_figure(answer, data), "wide", "Each law along each motion. Level lines: conserved."))
    if isinstance(answer, Discovery):
        points = data.states if isinstance(data, Trajectories) else data
        made.append((plots.generators_figure(answer, points), "wide", "How each generator moves points."))
    label = "singular value" if isinstance(answer, Discovery) else "drift / spread"
    floors = answer.floors if isinstance(answer, Discovery) else None
    spectrum = plots.spectrum_figure(answer.spectrum, answer.decision, label=label, floors=floors)
    caption = "The evidence: values at or below the floor are taken for zero, and the gap above them is what counts."
    if floors is not None and answer.decision.noise:
        caption += " The band is what the noise could make of a zero in each direction."
    made.append((spectrum, "", caption))
    if isinstance(answer, Discovery):
        caption = f"How far each generator may be from a symmetry{_sure(answer)}."
        made.append((plots.defects_figure(answer), "", caption))
    if isinstance(data, Trajectories):
        made.append((plots.motions_figure(data, part.variables), "", "The motions, in their first two coordinates."))
    else:
        made.append((plots.samples_figure(data, part.variables), "", "The samples, in their first two coordinates."))
    return [
        f'<figure class="{width}">{theme.svg(figure, caption, salt=f"p{number}f{k}")}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for k, (figure, width, caption) in enumerate(made)
        if figure is not None
    ]


def _definitions(title: str, facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return _titled(title, f"<table>{rows}</table>")


def _footer() -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return f"<footer>Made with {escape(versions)} and Python {escape(platform.python_version())}.</footer>"
