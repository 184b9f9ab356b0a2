"""What kind of structure file some bytes are, whatever they are called."""

import codecs
import re
from typing import Final

_CIF: Final = re.compile(rb"^\s*(data_|_atom_site\.)", re.MULTILINE | re.IGNORECASE)
_CONTAINERS: Final = (*range(0x80, 0xA0), *range(0xDC, 0xE0))  # first bytes of lists and maps in MessagePack
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAMPLE: Final = 200  # bytes that tell whether letters take two each


def is_binary_cif(content: bytes) -> bool:
    """Whether the bytes may be BinaryCIF, a map of MessagePack; no text begins like one."""
    return content[:1] != b"" and content[0] in _CONTAINERS


def is_cif(content: bytes) -> bool:
    """Whether a text is mmCIF, of one block at least; what else has atoms is taken for PDB."""
    return _CIF.search(content) is not None


def as_ascii(content: bytes) -> bytes:
    """Return a text without byte order mark and in one byte a letter, letters outside ASCII as question marks."""
    if content.startswith(codecs.BOM_UTF8):
        return _plain(content[len(codecs.BOM_UTF8) :].decode("ascii", "replace"))
    if content.startswith(_WIDE):
        return _plain(content.decode("utf-16", "replace"))
    sample = content[:_SAMPLE]
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(sample) > 1 and not any(sample[start::2]) and any(sample):
            return _plain(content.decode(encoding, "replace"))
    return _plain(content.decode("ascii", "replace"))


def _plain(text: str) -> bytes:
    return text.encode("ascii", "replace")
