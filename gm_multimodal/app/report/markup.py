"""Where text becomes HTML: every string of the report's page passes here, whoever wrote it."""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from typing import Any


def escaped(text: object) -> str:
    """Return text for HTML, inside an element or a quoted attribute; what cannot be printed is shown as its code."""
    shown = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in str(text))
    return html.escape(shown)


def script_json(content: Any) -> str:
    """Return JSON that may stand inside a script element.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)  # ASCII alone: U+2028 and the like are escaped
    return text.translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&"})


def policy(style: str, scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy of a page that runs these texts alone and connects to nothing."""
    allowed = " ".join(_digest(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
