"""What the README and the documentation show is what happens: every Python block runs, every answer is as printed.

A ```python block runs as written; the blocks of one file share their names, in order. A ```text block right after
it is what it prints, compared exactly, up to numbers that are made of rounding errors and so differ between
processors. A ```console block holds commands after `$ ` and then what they print.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from isotropy.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
README_HEAD = 25

ROUNDING = re.compile(r"(?<=gap )\d\.\d+e[+-]\d\d|\d\.\d+e[+-](?:09|[1-9]\d)")
"""A gap, and any number below 1e-8 or above 1e8: what rounding left of zero, or a ratio to it."""


class Block(NamedTuple):
    """A fenced block: its language, the line it starts on, its text."""

    language: str
    line: int
    text: str


def fenced(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text."""
    pattern = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S)
    blocks = []
    for match in pattern.finditer(text):
        lines = match["body"].splitlines(keepends=True)
        body = "".join(line.removeprefix(match["indent"]) for line in lines)
        blocks.append(Block(match["language"], text.count("\n", 0, match.start()) + 1, body))
    return blocks


def gap_is_blank(text: str, first: Block, second: Block) -> bool:
    """Whether nothing but blank lines stands between two blocks."""
    lines = text.splitlines()[first.line + first.text.count("\n") + 1 : second.line - 1]
    return not any(line.strip() for line in lines)


def same(printed: str, expected: str) -> bool:
    """Whether two texts say the same, whatever the last digits of the processor."""
    return ROUNDING.sub("…", printed).rstrip() == ROUNDING.sub("…", expected).rstrip()


def run_python(blocks: list[Block], text: str, name: str) -> list[str]:
    """Run the Python blocks in one namespace; one sentence for each answer that differs from the printed one."""
    wrong: list[str] = []
    names: dict[str, object] = {"__name__": "__main__"}
    for block, following in zip_longest(blocks, blocks[1:]):
        if block.language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * block.line + block.text, name, "exec"), names)
        answered = following is not None and following.language == "text" and gap_is_blank(text, block, following)
        expected = following.text if answered and following is not None else ""
        if not same(printed.getvalue(), expected):
            wrong.append(f"{name}:{block.line} printed\n{printed.getvalue()}\nbut the page says\n{expected}")
    return wrong


def run_console(blocks: list[Block], name: str) -> list[str]:
    """Run `isotropy` commands; one sentence for each that prints something else than the page says."""
    wrong = []
    for block in blocks:
        if block.language != "console":
            continue
        for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
            command, _, expected = re.sub(r"\\\n\s*", "", part).partition("\n")
            words = shlex.split(command)
            if words[0] != "isotropy":
                continue
            result = CliRunner().invoke(app, words[1:], env={"COLUMNS": "100"})
            if not same(result.output, expected):
                wrong.append(f"{name}:{block.line} `{command}` printed\n{result.output}\nbut the page says\n{expected}")
    return wrong


@pytest.mark.docs
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_page_runs_as_written(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")
    blocks = fenced(text)
    name = str(page.relative_to(ROOT))
    assert run_python(blocks, text, name) + run_console(blocks, name) == []


def test_the_readme_begins_with_an_answer():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code, answer = fenced(text)[:2]
    assert code.language == "python"
    assert code.line + code.text.count("\n") <= README_HEAD
    assert answer.language == "text"
    assert gap_is_blank(text, code, answer)


@pytest.mark.parametrize(
    ("code", "answer", "right"),
    [
        ("print(1 + 1)", "2\n", True),
        ("print(1 + 1)", "3\n", False),
        ("print(1 + 1)", "", False),
        ("print('gap 5.8e+13, 3 of 12')", "gap 1.1e+14, 3 of 12\n", True),
        ("print('gap 5.8e+13, 3 of 12')", "gap 5.8e+13, 4 of 12\n", False),
        ("print('drift 1.8e-05')", "drift 1.9e-05\n", False),
    ],
)
def test_a_wrong_answer_is_noticed(code, answer, right):
    text = f"```python\n{code}\n```\n\n```text\n{answer}```\n"
    assert (run_python(fenced(text), text, "page") == []) is right
