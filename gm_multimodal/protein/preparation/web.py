"""Answers from servers, asked for with patience and read with distrust: limits of time, size and origin, and a check.

An entry is absent only if the server says so (404, 410). Whatever else goes wrong may be otherwise a minute later: a
busy server, a broken connection, an error page in place of the file. All of it is asked for again in one place.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from gm_multimodal.errors import TooLarge

_ABSENT: Final = (404, 410)
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 3
_CHUNK: Final = 1 << 16

T = TypeVar("T")


class Absent(Exception):
    """The server says that it does not have what was asked for."""


class Unanswered(Exception):
    """There was no usable answer now; the text says why, in our own words."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@final
@dataclass(frozen=True)
class Patience:
    """How much of an answer is taken, and how long it may take.

    Attributes:
        max_bytes: of an answer, unpacked.
        seconds: from the request to the last byte of one answer.
        connect_timeout: seconds until a connection stands.
        read_timeout: seconds between two parts of an answer.
        waits: seconds before the second request, the third, and so on; none follows the last.
        longest_wait: seconds that a server may ask for by Retry-After; it is not given more.
        sleep: waits for a number of seconds.
    """

    max_bytes: int
    seconds: float
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    waits: tuple[float, ...] = (1.0, 4.0, 16.0, 64.0)
    longest_wait: float = 120.0
    sleep: Callable[[float], None] = time.sleep


def ask(
    session: requests.Session, url: str, origins: Iterable[str], patience: Patience, read: Callable[[bytes], T]
) -> T:
    """Return what `read` makes of the answer, asked for again, after growing waits, while there is none.

    Args:
        session: keeps connections from one request to the next.
        url: what to ask for.
        origins: scheme and host (https://example.org) of this address and of those that it may redirect to.
        patience: the limits.
        read: raises ValueError where the content is not what was asked for.

    Raises:
        Absent: The server answered 404 or 410.
        Unanswered: There was no usable answer, the last time as well.
        TooLarge: The answer has more bytes; asking again would not make it smaller.
    """
    allowed = frozenset(origins)
    for wait in (*patience.waits, None):
        try:
            return read(_content(session, url, allowed, patience))
        except Unanswered as error:
            failure = error
        except ValueError as error:
            if isinstance(error, TooLarge):
                raise
            failure = Unanswered(str(error))
        if wait is not None:
            patience.sleep(max(wait, min(failure.retry_after, patience.longest_wait)))
    raise failure


def _content(session: requests.Session, url: str, origins: frozenset[str], patience: Patience) -> bytes:
    """Return the body of one answer, redirects followed."""
    timeout = (patience.connect_timeout, patience.read_timeout)
    end = time.monotonic() + patience.seconds
    try:
        for _ in range(_MOST_REDIRECTS + 1):
            if _origin(url) not in origins:
                raise Unanswered("it refers to another server, which was not asked")
            with session.get(
                url, timeout=timeout, stream=True, allow_redirects=False, headers={"Accept-Encoding": "identity"}
            ) as response:
                if response.status_code not in _REDIRECTS:
                    return _body(response, end, patience)
                url = urljoin(url, response.headers.get("Location", ""))
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        if isinstance(error, TooLarge):
            raise
        raise Unanswered(type(error).__name__) from error
    raise Unanswered(f"more than {_MOST_REDIRECTS} redirects")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _body(response: requests.Response, end: float, patience: Patience) -> bytes:
    if response.status_code in _ABSENT:
        raise Absent
    if response.status_code != requests.codes.ok:
        raise Unanswered(f"HTTP status {response.status_code}", _retry_after(response.headers.get("Retry-After", "")))
    content = bytearray()
    raw: Any = response.raw  # gives what has come, where iter_content would wait for whole chunks
    while part := raw.read1(_CHUNK, decode_content=True):
        content += part
        if len(content) > patience.max_bytes:
            raise TooLarge("is larger than", patience.max_bytes)
        if time.monotonic() > end:
            raise Unanswered(f"it took longer than {patience.seconds:g} s")
    return bytes(content)


def _retry_after(text: str) -> float:
    """Return the seconds that a header asks to wait, given as a number or a date; 0 if it says neither."""
    try:
        return urllib3.Retry().parse_retry_after(text)
    except (urllib3.exceptions.HTTPError, ValueError, OverflowError):
        return 0.0
