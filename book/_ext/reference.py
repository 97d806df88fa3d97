"""The reference pages: what `sphinx.ext.autodoc` needs to know about this package.

A page names the modules it documents; their members come from ``__all__``, in reading order. What a
module only passes on from another one is documented at home, unless the passing on is the point:
a package's ``__init__`` gathers what its modules define.
"""

from __future__ import annotations

import sys
from typing import Any

from sphinx.application import Sphinx


def skip_borrowed(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: Any
) -> bool | None:
    """Event ``autodoc-skip-member``: leave out what a module merely imported."""
    home = getattr(member, "__module__", None)
    here = app.env.temp_data.get("autodoc:module")
    if what != "module" or here is None or home == here:
        return None
    if not str(home).startswith("seqcourse."):  # an alias of a type from elsewhere, say
        return None
    is_package = hasattr(sys.modules.get(here), "__path__")
    return None if is_package and home.startswith(f"{here}.") else True


def setup(app: Sphinx) -> dict[str, object]:
    """Register the event."""
    app.connect("autodoc-skip-member", skip_borrowed)
    return {"parallel_read_safe": True}
