"""Flags as TensorFlow's programs take them."""

from typing import Any

import typer.core


class ServingFlags(typer.core.TyperCommand):
    """A command whose switches also take a value: `--enable_batching=true`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Turns `--x=true` and `--x=false` into the switch's two names."""
        switches: dict[str, dict[str, str]] = {}
        for param in self.params:
            if param.secondary_opts:
                on, off = param.opts[0], param.secondary_opts[0]
                switches[on] = {"true": on, "1": on, "false": off, "0": off}
        found = []
        for arg in args:
            name, given, value = arg.partition("=")
            if given and name in switches:
                arg = switches[name].get(value.lower(), arg)
            found.append(arg)
        return super().parse_args(ctx, found)
