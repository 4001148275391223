"""One HTML file that holds its style, its data and its scripts, and loads nothing."""

import base64
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.figure import TEMPLATE, Figure

FOLDER = pathlib.Path(__file__).parent


def page_template(folder: pathlib.Path, name: str, **filters: Any) -> jinja2.Template:
    """Returns a template that extends `page.html.j2`, with filters for all numbers.

    Args:
        folder: where the template is.
        name: its file.
        **filters: what it uses beside the filters that all pages have.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}
    environment.filters |= {
        "count": formats.count,
        "duration": formats.duration,
        "margin": formats.margin,
        "metric": formats.metric,
        "moment": formats.moment,
        "pretty": _pretty,
        "probability": formats.probability,
        "quantity": formats.quantity,
        "share": formats.share,
        "short_count": formats.short_count,
        "signed": formats.signed,
        "signed_share": formats.signed_share,
        "size": formats.size,
        "words": _words,
        **filters,
    }
    return environment.get_template(name)


def render_page(
    template: jinja2.Template,
    view: Mapping[str, Any],
    figures: Mapping[str, Figure],
    contents: Sequence[tuple[str, str]],
) -> str:
    """Returns the whole page.

    Args:
        template: of `page_template`.
        view: what the template's own blocks need.
        figures: Plotly figures, by the names that the charts give.
        contents: id and title of each section.
    """
    from plotly import offline

    # The policy lets the browser run these two scripts and nothing else, and load
    # nothing at all: a hostile value in the data stays text.
    scripts = {
        "plotly_js": Markup(offline.get_plotlyjs()),
        "page_js": Markup((FOLDER / "page.js").read_text("utf-8")),
    }
    known = {
        **view,
        **scripts,
        "contents": contents,
        "css": Markup((FOLDER / "page.css").read_text("utf-8")),
        "figures": {"template": TEMPLATE, "figures": _finite(figures)},
        "script_hashes": [_hash(script) for script in scripts.values()],
    }
    # The page states its own size, which the statement changes by a few bytes.
    draft = template.render(**known, page_bytes=0)
    return template.render(**known, page_bytes=len(draft.encode()))


def _finite(value: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not know."""
    if isinstance(value, float):
        return value if formats.known(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)


def _words(name: str) -> Markup:
    """A name that may break between its humps and underscores."""
    parts = [""]
    for before, letter in zip(" " + name, name, strict=False):
        if (letter.isupper() and before.islower()) or before in "_-/":
            parts.append("")
        parts[-1] += letter
    return Markup("<wbr>").join(parts)
