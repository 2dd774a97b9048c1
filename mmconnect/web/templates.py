"""The templates of every site, read the same way: escaped always, and strict about what is missing.

What a template shows is a stranger's input; nothing here takes the escaping away.
"""

from __future__ import annotations

import jinja2

from mmconnect import paths
from mmconnect.web.markup import prose, with_code


def environment() -> jinja2.Environment:
    """The templates, with the filters for our own sentences; a site adds what is its own."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.resource_root() / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # an upgrade's templates are for its own code; whoever writes them wants to see them
        auto_reload=paths.program().form is paths.Form.CHECKOUT,
    )
    made.filters |= {"with_code": with_code, "prose": prose}
    return made
