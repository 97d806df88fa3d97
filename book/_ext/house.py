"""What the stock theme leaves out: valid roles in the bibliography, notebooks to download."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from notebooks import to_notebook
from sphinx.application import Sphinx

NOTEBOOKS = "_notebooks"

# What axe rightly objects to in the HTML of docutils.
CORRECTIONS = [
    # ARIA 1.2 deprecates doc-biblioentry; a child of role=list must be a listitem.
    (re.compile(r'role="doc-biblioentry"'), 'role="listitem"'),
    # The empty corner of a table heads nothing.
    (re.compile(r'<th class="head[^"]*">(?:<p></p>)?</th>'), "<td></td>"),
]


# Sphinx sets the parameters of a long signature as definitions without a term.
PARAMETERS = re.compile(r'<dl>\s*((?:<dd><em class="sig-param">.*?</dd>\s*)+)</dl>', re.DOTALL)


def _as_divisions(found: re.Match[str]) -> str:
    """Write the parameters of a signature as what they are: one after another."""
    inside = found[1].replace("<dd>", "<div>").replace("</dd>", "</div>")
    return f'<div class="sig-params">{inside}</div>'


def corrected(body: str) -> str:
    """Apply all corrections to the HTML of a page.

    >>> corrected('<th class="head"><p></p></th>')
    '<td></td>'
    """
    for wrong, right in CORRECTIONS:
        body = wrong.sub(right, body)
    return PARAMETERS.sub(_as_divisions, body)


def amend_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Event ``html-page-context``: correct the body, tell the template about the notebook."""
    if doctree is None:
        return
    context["body"] = corrected(context["body"])
    context["notebook_path"] = f"{NOTEBOOKS}/{page}.ipynb"


def write_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Event ``build-finished``: each page once more, as a notebook."""
    if exception or app.builder.format != "html":
        return
    for page in app.env.found_docs:
        source = Path(app.env.doc2path(page))
        target = Path(app.outdir, NOTEBOOKS, f"{page}.ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(to_notebook(source.read_text("utf-8")), "utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    """Register everything with Sphinx."""
    # Jupyter Book sets this option of an extension that this book leaves out.
    if "comments_config" not in app.config.values:
        app.add_config_value("comments_config", {}, "html")
    app.connect("html-page-context", amend_page)
    app.connect("build-finished", write_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
