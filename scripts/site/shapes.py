"""Show the square brackets of docstrings, shapes and units, as code: `[*B, 3]` is neither emphasis nor a link."""

import re
from typing import Any

import griffe

# Not in code already, and not the text of a link.
_BRACKETS = re.compile(r"`[^`]*`|(\[[^\[\]`\n]+\])(?!\()")


def as_code(text: str) -> str:
    """Return a docstring with its brackets as code spans."""
    return _BRACKETS.sub(lambda found: f"`{found[1]}`" if found[1] else found[0], text)


class Shapes(griffe.Extension):
    """Rewrites docstrings as they are loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = as_code(obj.docstring.value)
