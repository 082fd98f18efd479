"""The command line: `isotropy discover`, `isotropy conserve`, `isotropy identify`, `isotropy groups`.

Heavy imports stand inside the commands, so that ``isotropy --help`` answers at once.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

if TYPE_CHECKING:
    from .report.page import Part
    from .results.discovery import Discovery
    from .results.laws import Laws
    from .table import Table

P = ParamSpec("P")
R = TypeVar("R")

BAD_INPUT = 1
"""The exit status for input that cannot be used; Click itself ends with 2 for a wrong command line."""

app = typer.Typer(
    name="isotropy",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Find what leaves a function or a motion unchanged, in a table of numbers.

`isotropy discover` finds the symmetries of a function from inputs to outputs: the generators, the name of the
algebra they form, and how sure that is. `isotropy conserve` finds the conservation laws of motions.

Tables are CSV (the first line names the columns), Parquet or NPZ. The answer is printed in words; `--json FILE`
writes it as data, which `Discovery.load` and `Laws.load` read, and `--report FILE` as one HTML page with figures.

The exit status is 0 for an answer, "no symmetry" and "cannot tell" among them, 1 for input that cannot be used and
2 for a command line that cannot be read.""",
    epilog="""**For example**

`isotropy conserve orbits.csv --time t --state x,y,z,vx,vy,vz --by body --space 'polynomials(2) + 1/sqrt(x^2+y^2+z^2)'`

`isotropy discover forces.csv --inputs x,y,z --outputs ax,ay,az --candidates 'gl(3)+gl(3)' --report forces.html`""",
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The table: .csv, .parquet or .npz.")]
SpaceOption = Annotated[
    str | None,
    typer.Option(
        "--space",
        metavar="TEXT",
        help="The functions to look among: polynomials(d), fourier(d), 1/sqrt(x^2+y^2) and the like, sums, products.",
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COLUMN=VALUES", help="Keep these rows alone: body=Earth,Mars. May be repeated."),
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the answer as JSON.")]
ReportOption = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write one self-contained page.")]


def one_clear_line(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors and warnings meant for the user into one line each on standard error."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        from .errors import IsotropyError, IsotropyWarning

        def show(message: Warning | str, category: type[Warning], *_: Any) -> None:
            if issubclass(category, IsotropyWarning):
                _say(f"warning: {message}")

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", IsotropyWarning)
            warnings.showwarning = show
            try:
                return command(*arguments, **options)
            except IsotropyError as reason:
                _say(f"error: {str(reason).splitlines()[0]}")
                raise typer.Exit(BAD_INPUT) from None

    return run


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"isotropy {version('isotropy')}")
        raise typer.Exit


@app.callback()
def main_options(
    asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """The options of `isotropy` itself; its help is the app's own."""


@app.command()
@one_clear_line
def discover(
    file: FileArgument,
    inputs: Annotated[str, typer.Option(metavar="COLUMNS", help="Columns x of the function y = F(x): x,y,z.")],
    outputs: Annotated[str, typer.Option(metavar="COLUMNS", help="Columns y: ax,ay,az.")],
    candidates: Annotated[
        str,
        typer.Option(
            metavar="GROUPS",
            help="Who may act: a+b is a on the inputs and b on the outputs, a alone leaves the outputs as they are. "
            "`isotropy groups` lists them.",
        ),
    ],
    joint: Annotated[
        bool, typer.Option("--joint", help="Move inputs and outputs by the same element (equivariance).")
    ] = False,
    space: SpaceOption = None,
    where: WhereOption = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the shuffles that judge the fit.")] = 0,
    json: JsonOption = None,
    report: ReportOption = None,
) -> None:
    """Find the symmetries of y = F(x), given pairs in a table.

    F is fitted in the functions of `--space` (polynomials of the degree that predicts best, if you name none), and
    the candidates that leave the fit unchanged are found, with a verdict on how sure that is.

    **Example:** `isotropy discover forces.csv --inputs x,y,z --outputs ax,ay,az --candidates 'gl(3)+gl(3)'`
    """
    names, values = _names(inputs), _names(outputs)
    _check_targets(json, report)
    with _progress("reading", "fitting", "discovering", *(["drawing"] if report else [])) as advance:
        table, facts = _table(file, where, [*names, *values])
        X, Y = table.numbers(names, "--inputs"), table.numbers(values, "--outputs")
        advance()
        from . import candidates as catalogue
        from .discover import discover as discover_in
        from .geometry.data import Data

        action = catalogue.action(candidates, names, values, joint=joint)
        data = Data(X, Y, space=_space(space, names), variables=names, seed=seed)
        advance()
        found = discover_in(data, action)
        advance()
        if report is not None:
            settings = _settings(candidates=candidates, joint=joint, space=space, where=where, seed=seed)
            question = f"What leaves {', '.join(values)} as a function of {', '.join(names)} unchanged?"
            _report(report, question, found, X, names, facts, settings)
    _answer(found, json, report)


@app.command()
@one_clear_line
def conserve(
    file: FileArgument,
    time: Annotated[str, typer.Option(metavar="COLUMN", help="The column of times.")],
    state: Annotated[str, typer.Option(metavar="COLUMNS", help="The columns of the state: x,y,z,vx,vy,vz.")],
    space: SpaceOption = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column that tells several motions apart.")
    ] = None,
    velocities: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS",
            help="Columns of the state's time derivatives, in its order: vx,vy,vz,ax,ay,az. Estimated if not given.",
        ),
    ] = None,
    where: WhereOption = None,
    tolerance: Annotated[
        float | None,
        typer.Option(metavar="RATIO", help="Drift, as a fraction of spread, that still counts as conserved."),
    ] = None,
    json: JsonOption = None,
    report: ReportOption = None,
) -> None:
    """Find the conservation laws of motions, given their states over time in a table.

    A law is a function of the state, in the span of `--space` (polynomials(2) if you name none), that stays constant
    along every motion. More motions make a stronger answer: n of them can show at most n laws.

    **Example:** `isotropy conserve orbits.csv --time t --state x,y,z,vx,vy,vz --by body --space 'polynomials(2) +
    1/sqrt(x^2+y^2+z^2)'`
    """
    names = _names(state)
    given = None if velocities is None else _names(velocities)
    _check_targets(json, report)
    with _progress("reading", "velocities", "searching", *(["drawing"] if report else [])) as advance:
        needed = [time, *names, *(given or []), *([by] if by else [])]
        table, facts = _table(file, where, needed)
        times, Z = table.numbers([time], "--time")[:, 0], table.numbers(names, "--state")
        labels = None if by is None else table.labels(by)
        rates = None if given is None else table.numbers(given, "--velocities")
        _check_velocities(names, given)
        advance()
        from . import dynamics

        motions = dynamics.Trajectories(times, Z, id=labels, velocities=rates)
        advance()
        functions = _space(space or "polynomials(2)", names)
        assert functions is not None
        laws = dynamics.conserve(motions, functions, tolerance=tolerance)
        advance()
        if report is not None:
            settings = _settings(space=space or "polynomials(2)", velocities=velocities, where=where)
            question = f"Which functions of {', '.join(names)} does the motion conserve?"
            _report(report, question, laws, motions, names, {**facts, "motions": str(motions)}, settings)
    _answer(laws, json, report)


@app.command()
@one_clear_line
def identify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Matrices (q, n, n): .npz with one array, or .json.")],
) -> None:
    """Name the Lie algebra that matrices span.

    The file holds one array of q matrices of size n x n: NPZ, or JSON as nested lists.
    """
    from .groups.algebra import LieAlgebra
    from .matrices import read

    algebra = LieAlgebra(read(file))
    typer.echo(f"{algebra.name}: dimension {algebra.dimension}")
    if algebra.aliases:
        typer.echo(f"also known as: {', '.join(algebra.aliases)}")


@app.command()
@one_clear_line
def groups() -> None:
    """List the groups that `--candidates` may name."""
    from .candidates import CATALOGUE

    width = max(len(entry.written) for entry in CATALOGUE.values())
    for entry in CATALOGUE.values():
        typer.echo(f"{entry.written:<{width}}  {entry.meaning}")
    typer.echo("\na+b: a on the inputs, b on the outputs. a*b: a on the first coordinates, b on the rest.")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _table(file: Path, where: Sequence[str] | None, needed: Sequence[str]) -> tuple[Table, dict[str, str]]:
    """The rows asked for, without repeats, and what the page says about them."""
    from .errors import IsotropyError, IsotropyWarning
    from .table import read

    table = read(file)
    facts = {"file": table.name, "rows in the file": str(len(table)), "columns": ", ".join(table.columns)}
    for condition in where or []:
        table = table.where(condition)
        if not len(table):
            raise IsotropyError(f"No row of {table.name} is left after --where {condition}.")
    table, repeats = table.without_repeats(list(dict.fromkeys(needed)))
    if repeats:
        warnings.warn(
            f"{repeats} of {repeats + len(table)} rows of {table.name} repeat an earlier one and are left out.",
            IsotropyWarning,
            stacklevel=2,
        )
    facts["rows used"] = str(len(table)) + (f" ({repeats} repeated ones left out)" if repeats else "")
    if len(table) < 3:
        raise IsotropyError(f"{table.name} has {len(table)} different row(s): nothing can be learned from so few.")
    return table, facts


def _check_velocities(names: Sequence[str], given: Sequence[str] | None) -> None:
    from .errors import IsotropyError

    if given is not None and len(given) != len(names):
        raise IsotropyError(
            f"--velocities names {len(given)} columns for {len(names)} of --state: name the time derivative of each."
        )


def _space(text: str | None, names: Sequence[str]) -> Any:
    from .geometry.grammar import parse

    return None if text is None else parse(text, names)


def _check_targets(*paths: Path | None) -> None:
    """Refuse a place that cannot be written to before the work, not after it."""
    from .errors import IsotropyError

    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise IsotropyError(f"{str(path)!r} is a folder: name a file in it.")
        if not path.parent.is_dir():
            raise IsotropyError(f"There is no folder {str(path.parent)!r} to write {path.name} into: make it first.")
    json = paths[0]
    if json is not None and json.suffix not in (".json", ".npz"):
        raise IsotropyError(f"--json writes .json or .npz. Got {json.name!r}.")


def _settings(**chosen: Any) -> dict[str, str]:
    named = {
        name: ", ".join(value) if isinstance(value, list) else str(value) for name, value in chosen.items() if value
    }
    return {name: value for name, value in named.items() if value != "False"}


def _report(
    path: Path,
    question: str,
    answer: Discovery | Laws,
    data: Any,
    names: tuple[str, ...],
    facts: dict[str, str],
    settings: dict[str, str],
) -> None:
    from .report import page

    part: Part = page.Part(question, answer, data, names, facts=facts, settings=settings)
    page.write(path, question, [part], lead=[f"Asked of {facts['file']}, {facts['rows used']} rows."])


def _answer(answer: Discovery | Laws, json: Path | None, report: Path | None) -> None:
    from .errors import IsotropyError

    typer.echo(str(answer))
    if json is not None:
        try:
            answer.save(json)
        except OSError as reason:
            raise IsotropyError(f"{str(json)!r} cannot be written: {reason.strerror or reason}.") from None
    for path in (json, report):
        if path is not None:
            _say(f"written: {path}")


def _say(text: str) -> None:
    typer.echo(text, err=True)


@contextmanager
def _progress(*steps: str) -> Iterator[Callable[[], None]]:
    """A bar over ``steps`` on standard error, where that is a terminal; call the function yielded after each."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(steps[0], total=len(steps))
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            bar.update(task, completed=done, description=steps[min(done, len(steps) - 1)])

        yield advance


def main() -> None:
    """The entry point of the shell command."""
    app()


if __name__ == "__main__":
    main()
