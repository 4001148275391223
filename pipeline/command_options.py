"""What several groups of commands take, and how they say what is wrong."""

from typing import Annotated

import rich.console
import rich.text
import typer

from clickwright.schemas.errors import ClickwrightError

RootOption = Annotated[
    str,
    typer.Option(
        "--root",
        "-r",
        envvar="CLICKWRIGHT_SERVING_ROOT",
        help="Serving root: `<out>/serving` of a run, or an s3:// or gs:// address.",
    ),
]


def show_error(error: ClickwrightError, console: rich.console.Console) -> None:
    """Prints what is wrong, where, and what to do."""
    parts = (("Error", error.what), ("Where", error.where), ("Fix", error.fix))
    for name, text in parts:
        if text:
            # As text, not as markup: messages quote brackets from the user's files.
            line = rich.text.Text.assemble((f"{name}: ", "bold"), text.strip())
            console.print(line, soft_wrap=True)
