"""Where text becomes HTML: every string of the report's page passes here, whoever wrote it."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from gm_multimodal.printable import printable


def escaped(text: object) -> str:
    """Return text for HTML, inside an element or a quoted attribute; what cannot be printed is shown as its code."""
    return html.escape("\n".join(map(printable, str(text).split("\n"))))


def script_json(content: Any) -> str:
    """Return JSON that may stand inside a script element, with texts as `printable` shows them.

    Raises:
        ValueError: a number is not finite.
    """
    # JSON's own escapes are undone by the page's script, and would reach the page as what they stand for
    text = json.dumps(_shown(content), separators=(",", ":"), allow_nan=False)  # ASCII alone
    return text.translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&"})


def _shown(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {printable(key): _shown(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_shown(value) for value in content]
    return printable(content) if isinstance(content, str) else content


def policy(style: str, scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy of a page that runs these texts alone and connects to nothing."""
    allowed = " ".join(_digest(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
