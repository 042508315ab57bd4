"""`ganns db`."""

import typer

app = typer.Typer(help="The database: start, install, inspect.", no_args_is_help=True)
