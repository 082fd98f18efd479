"""The page: one file that says the answer first, fetches nothing, and shows the user's text as text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.errors import IsotropyError
from isotropy.report import page, words

HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def found():
    samples = iso.Samples.normal(60, 3, seed=0)
    return iso.discover(lambda x: x[0] ** 2 + x[1] ** 2 + 3 * x[2], iso.Action(groups.Aff(3)), samples)


@pytest.fixture(scope="module")
def motions():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 5, 40)
    states = [np.outer(np.cos(t), a) + np.outer(np.sin(t), [-a[1], a[0]]) for a in rng.normal(size=(3, 2))]
    rates = [np.stack([-z[:, 1], z[:, 0]], axis=1) for z in states]
    labels = np.repeat(["a", HOSTILE, "$c_{"], len(t))
    return iso.Trajectories(np.tile(t, 3), np.concatenate(states), id=labels, velocities=np.concatenate(rates))


@pytest.fixture(scope="module")
def laws(motions):
    return iso.conserve(motions, iso.spaces.Polynomials(2, degree=2))


@pytest.fixture(scope="module")
def parts(found, laws, motions):
    points = np.random.default_rng(0).normal(size=(60, 3))
    first = page.Part("What stays?", found, points, ("x", "y", "z"), facts={"file": "a & b.csv"})
    second = page.Part(HOSTILE, laws, motions, (HOSTILE, "$x_{"), facts={HOSTILE: HOSTILE}, notes=[HOSTILE])
    return [first, second]


@pytest.fixture(scope="module")
def text(parts):
    return page.page(f"Title {HOSTILE}", parts, lead=[HOSTILE])


class Reader(HTMLParser):
    """Collects tags, ids and addresses, and checks that tags are closed in order."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.addresses, self.words = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.addresses += [value for name, value in attrs if name in ("href", "src", "xlink:href", "action", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def test_it_is_one_well_formed_file_that_fetches_nothing(text):
    reader = Reader(text)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    targets = {f"#{name}" for name in reader.ids}
    assert all(address in targets or address.startswith("data:") for address in reader.addresses)
    assert not re.search(r"url\((?!['\"]?(#|data:))", text)
    assert {"script", "link", "iframe", "object"}.isdisjoint(reader.tags)


def test_what_the_user_wrote_is_shown_and_not_run(text):
    assert HOSTILE not in text
    # Twice each in heading and list, and in the note, the facts, the lead, the axis and the legend.
    assert "".join(Reader(text).words).count(HOSTILE) >= 8
    assert "$x_{" in text


def test_the_answer_comes_first(text, parts):
    said = " ".join(Reader(text).words)
    for part in parts:
        assert said.index(words.headline(part.answer)) < said.index("Generators")
    for part in parts:
        for line in getattr(part.answer, "generator_text", None) or part.answer.text:
            assert line in said


def test_it_records_settings_and_versions(text, parts):
    said = " ".join(Reader(text).words)
    assert "a & b.csv" in said
    for name in page.PACKAGES:
        assert re.search(rf"{name} \d", said)
    for name in parts[0].answer.settings:
        assert name in said


def test_the_same_answer_makes_the_same_page(text, parts):
    assert page.page(f"Title {HOSTILE}", parts, lead=[HOSTILE]) == text


def test_each_part_shows_its_figures(text):
    assert Reader(text).tags.count("svg") == 6


def test_one_part_needs_no_summary(parts):
    text = page.page("Only", parts[:1])
    assert "What stays?" not in text
    assert '<ol class="summary">' not in text


@pytest.mark.parametrize("verdict", ["certain", "supported", "none", "cannot tell"])
def test_every_verdict_has_words(found, laws, verdict):
    for answer in (found, laws):
        changed = replace(answer, decision=replace(answer.decision, verdict=verdict))
        assert words.VERDICTS[verdict] in words.verdict(changed.decision)
        assert ("annot" in words.headline(changed)) is (verdict == "cannot tell")


def test_a_place_that_cannot_be_written(tmp_path, parts):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(IsotropyError, match="cannot be written"):
        page.write(blocked / "page.html", "T", parts[:1])


def test_the_evidence_is_on_the_page():
    """Bounds, single elements with what they rest on, and what leaves a trained model's data."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    data = iso.Data(
        X, X[:, 0] ** 2 + X[:, 1] ** 2 + 0.05 * rng.normal(size=200), space=iso.spaces.Polynomials(2, degree=2)
    )
    found = iso.discover(data, iso.Action(groups.GL(2)), components=[np.diag([1.0, -1.0]), np.diag([2.0, 1.0])])
    text = page.page("T", [page.Part("What stays?", found, X, ("x", "y"))])
    said = " ".join(Reader(text).words)
    assert f"and by at most {found.bounds[0]:.1e} with a confidence of 95%" in said
    assert "Single elements" in said
    for element in found.components:
        assert element.reason in said
    assert "fit: 200 pairs" in said
    assert Reader(text).tags.count("svg") == 4
    circle = X / np.linalg.norm(X, axis=1, keepdims=True)
    kept = iso.discover(iso.Trained(lambda x: x @ x, circle), iso.Action(groups.GL(2)))
    said = " ".join(Reader(page.page("T", [page.Part("What?", kept, circle, ("x", "y"))])).words)
    assert "neither kept nor broken" in said
