"""`ganns microscope`: transactions of a real PostgreSQL, statement by statement."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.cli.places import user_path
from ganns.utils.console import cells, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganns.exercises.microscope.recording import Moment, Recording
    from ganns.exercises.microscope.scene import Scene

app = typer.Typer(
    help="Transactions under the microscope: a few sessions of a real PostgreSQL, statement by statement.",
    no_args_is_help=True,
)

SceneName = Annotated[str, typer.Argument(help="A ready scene, or a file of your own, which ends with .sql.")]
Details = Annotated[
    bool, typer.Option("--details", help="Show each moment's snapshot, locks and rows, with xmin and xmax.")
]
Picture = Annotated[Path | None, typer.Option("--svg", help="Write the lanes as a picture, too.", parser=user_path)]


@app.command("list")
def show() -> None:
    """Show the ready scenes: what each promises, and whether it holds."""
    from rich.table import Table

    from ganns.exercises.microscope.library import recorded
    from ganns.exercises.microscope.scene import find, ready
    from ganns.utils.console import wide_console

    table = Table("scene", "what happens", "promise", "")
    for name in ready():
        scene = find(name)
        table.add_row(*cells(name, scene.title, scene.promise, "holds" if recorded(name).held else "is broken"))
    wide_console().print(table)


@app.command()
def play(
    scene: SceneName,
    order: Annotated[
        str, typer.Option(help='Who goes when, as in "ada ada bob"; kill:ada ends a session that may be killed.')
    ] = "",
    ask: Annotated[bool, typer.Option("--ask", help="Ask before each step who goes next.")] = False,
    details: Details = False,
    svg: Picture = None,
) -> None:
    """Play a scene in one order: the one given, or for a ready scene the one that is worth seeing."""
    from ganns.exercises.microscope.library import recorded
    from ganns.exercises.microscope.player import Player
    from ganns.exercises.microscope.scene import find, ready
    from ganns.exercises.microscope.schedule import take_turns
    from ganns.exercises.microscope.scratch import scratch_database

    _check_picture(svg)
    found = find(scene)
    steps = tuple(order.split())
    if not steps and not ask and scene in ready():
        steps = tuple(recorded(scene).order.split())
    with scratch_database() as address, Player(address, found) as player:
        recording = player.record(steps, _ask, _saying(found)) if ask else player.record(steps, take_turns)
    _show(recording, details=details, svg=svg)


@app.command()
def search(
    scene: SceneName,
    depth: Annotated[int, typer.Option(min=1, help="Play all orders with at most this many switches.")] = 8,
    seconds: Annotated[float, typer.Option(min=1, help="Begin no order later than this.")] = 60.0,
    details: Details = False,
    svg: Picture = None,
) -> None:
    """Play all orders of a scene, and show the shortest that breaks its promise; exit with 1 if there is one."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from ganns.exercises.microscope.player import Player
    from ganns.exercises.microscope.scene import find
    from ganns.exercises.microscope.scratch import scratch_database
    from ganns.exercises.microscope.search import search_scene, summary
    from ganns.utils.console import SafeConsole

    _check_picture(svg)
    found = find(scene)
    console = SafeConsole(stderr=True)
    with scratch_database() as address, Player(address, found) as player:
        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("playing")

            def on_progress(so_far: Any) -> None:
                progress.update(task, description=f"{so_far.num_played} orders, {so_far.num_broken} broken")

            finding = search_scene(player, depth, seconds, on_progress)
        recording = player.record(finding.shown)
    _show(recording, details=details, svg=svg)
    say()
    for line in summary(finding):
        say(line)
    if finding.broken is not None:
        raise typer.Exit(1)


@app.command()
def copy(
    scene: Annotated[str, typer.Argument(help="The ready scene to begin with.")],
    file: Annotated[
        Path | None, typer.Argument(help="Your file; default: the scene's name in this folder.", parser=user_path)
    ] = None,
) -> None:
    """Copy a ready scene into a file of your own, to change it. An existing file is never overwritten."""
    from ganns.errors import ConfigError
    from ganns.exercises.microscope.scene import FOLDER, ready

    if scene not in ready():
        raise ConfigError(f"There is no scene {scene!r}: `ganns microscope list` shows the ready ones.")
    path = file or Path(f"my_{scene}.sql")
    if path.suffix != ".sql":
        raise ConfigError(f"The file {path} should end with .sql, as in my_scene.sql.")
    if path.exists():
        raise ConfigError(f"{path} exists, and is not overwritten: name another file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(FOLDER / f"{scene}.sql", path)
    say(f"wrote    {path}\nsearch   ganns microscope search {path}")


def _ask(options: Sequence[str], last: str) -> str:
    """Ask on the terminal who goes next."""
    if len(options) == 1:
        return options[0]
    default = last if last in options else options[0]
    chosen: str = typer.prompt(f"\nWho goes next ({', '.join(options)})", default=default)
    while chosen not in options:
        chosen = typer.prompt(f"{chosen} cannot go on; choose from {', '.join(options)}", default=default)
    return chosen


def _saying(scene: Scene) -> Any:
    """Return a function that prints each moment as it happens."""

    def tell(moment: Moment) -> None:
        name = scene.names[moment.session]
        if moment.kind == "step":
            say(f"{name}: {moment.text}")
        words = {"waits": "waits for another session", "waits for a notification": "waits for a notification"}
        said = words.get(moment.outcome, moment.answer or moment.outcome)
        say(f"  {'goes on: ' if moment.kind == 'went on' else ''}{said}")

    return tell


def _check_picture(svg: Path | None) -> None:
    """Check a picture's name before the scene is played, which takes up to minutes."""
    from ganns.errors import ConfigError

    if svg is not None and svg.suffix.lower() != ".svg":
        raise ConfigError(f"--svg={svg}: the picture's name ends with .svg, as in lanes.svg.")
    if svg is not None and svg.is_dir():
        raise ConfigError(f"--svg={svg} is a folder: give the name of a file in it.")


def _show(recording: Recording, *, details: bool, svg: Path | None) -> None:
    """Print the lanes, keep the recording for the dashboard, and write the picture."""
    from ganns.exercises.microscope.lanes import lay_out
    from ganns.exercises.microscope.library import keep
    from ganns.exercises.microscope.svg import Panel, draw
    from ganns.exercises.microscope.terminal import lanes
    from ganns.utils.atomic import replacing
    from ganns.utils.console import SafeConsole

    say(f"\n{recording.title}\n")
    SafeConsole().print(lanes(recording, with_details=details))
    keep(recording)
    if svg is not None:
        with replacing(svg) as part:
            part.write_text(draw([Panel(recording.title, lay_out(recording))]), encoding="utf-8")
        say(f"wrote    {svg}")
