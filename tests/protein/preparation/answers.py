"""A server on this machine that answers as it is told, and BinaryCIF for it to answer with."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from biotite.structure.io.pdbx import BinaryCIFBlock as Block, BinaryCIFCategory, BinaryCIFFile, CIFFile


def binary_cif(path, name: str) -> bytes:
    """The atoms of an mmCIF file as BinaryCIF of an entry of that name."""
    atoms = CIFFile.read(path).block["atom_site"]
    kinds = {"Cartn_x": float, "Cartn_y": float, "Cartn_z": float, "occupancy": float, "B_iso_or_equiv": float}
    columns = {key: column.as_array(kinds.get(key, str)) for key, column in atoms.items()}
    file = BinaryCIFFile({name: Block({"atom_site": BinaryCIFCategory(columns)})})
    target = io.BytesIO()
    file.write(target)
    return target.getvalue()


@dataclass
class Answers:
    """What the server says, path by path: one answer after the other, the last one again and again.

    An answer is a status, headers and a body (a list of parts comes slowly); None closes the connection without a word.
    """

    origin: str
    told: dict[str, list] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def tell(self, path: str, *answers) -> None:
        self.told[path] = list(answers)


@contextmanager
def serving() -> Iterator[Answers]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self):
            answers.asked.append(self.path)
            told = answers.told.get(self.path, [(404, {}, b"")])
            answer = told.pop(0) if len(told) > 1 else told[0]
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for key, value in (
                {"Content-Length": str(sum(map(len, body)) if isinstance(body, list) else len(body))} | headers
            ).items():
                self.send_header(key, value)
            self.end_headers()
            with suppress(OSError):  # whoever asked may have heard enough
                for part in [body] if isinstance(body, bytes) else body:
                    self.wfile.write(part)
                    time.sleep(0 if isinstance(body, bytes) else 0.05)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    answers = Answers(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
