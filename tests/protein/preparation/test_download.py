"""What is fetched, kept, remembered and asked for again, with a server on this machine."""

import gzip
import json
from email.utils import formatdate

import pytest

from gm_multimodal.protein.preparation.download import Database, fetch_all, is_absent, local_source, missing
from gm_multimodal.protein.preparation.sources import DatabaseEntry
from gm_multimodal.protein.preparation.web import Patience
from tests.protein.preparation.answers import binary_cif, serving

ENTRY = DatabaseEntry("1abc", False)
PATH = "/1abc.bcif"
WAITS = (1.0, 4.0, 16.0)
PAGE = (200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Sorry</title>")


@pytest.fixture
def server():
    with serving() as answers:
        yield answers


@pytest.fixture(scope="module")
def good(data_folder):
    return binary_cif(data_folder / "3c4s_A_1.cif", "1ABC")


@pytest.fixture
def fetch(server, tmp_path):
    """Fetch entries; returns why some could not be, and the waits in between, which take no time."""

    def call(*entries, max_bytes=10_000_000, seconds=5.0, read_timeout=5.0):
        slept = []
        patience = Patience(max_bytes, seconds, 2.0, read_timeout, WAITS, 60.0, slept.append)
        pdb = Database("the PDB", server.origin + "/{id}.bcif", (server.origin,), False)
        alphafold = Database("the AlphaFold database", server.origin + "/api/{id}", (server.origin,), True)
        return fetch_all(entries or [ENTRY], tmp_path, patience, pdb=pdb, alphafold=alphafold), slept

    return call


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_entry_is_fetched_once_for_all_its_chains(server, fetch, good, tmp_path):
    server.tell(PATH, (200, {}, good))
    chains = [DatabaseEntry("1abc", False, name) for name in "AB"]
    assert fetch(*chains) == ({}, [])
    assert server.asked == [PATH]
    assert missing(chains, tmp_path) == []
    source = local_source(chains[1], tmp_path)
    assert (source.path.read_bytes(), source.chain) == (good, "B")
    assert names(tmp_path) == ["1abc.bcif"]


@pytest.mark.parametrize("status", [404, 410])
def test_what_the_database_says_it_lacks_is_remembered(server, fetch, tmp_path, status):
    server.tell(PATH, (status, {}, b"<html>"))
    assert fetch() == ({}, [])
    assert is_absent(ENTRY, tmp_path) and missing([ENTRY], tmp_path) == []


def test_a_mark_of_older_versions_is_not_believed(tmp_path):
    (tmp_path / "1abc.bcif.absent").touch()  # a busy server left the same
    assert missing([ENTRY], tmp_path) == [ENTRY]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        *(
            ((status, {}, b""), f"HTTP status {status}")
            for status in (204, 400, 401, 403, 408, 429, 500, 502, 503, 504)
        ),
        (None, "ConnectionError"),
        (PAGE, "web page"),
        ((200, {}, b""), "not BinaryCIF"),
        ((200, {}, b"data_1ABC\nloop_\n"), "not BinaryCIF"),
        ((200, {"Content-Length": "1000"}, b"short"), "ProtocolError"),
        ((302, {"Location": "https://127.0.0.1/1abc.bcif"}, b""), "another server"),
        ((302, {"Location": "http://localhost:1/1abc.bcif"}, b""), "another server"),
        ((302, {"Location": "//example.org/1abc.bcif"}, b""), "another server"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "another server"),
        ((302, {"Location": "http://[bad"}, b""), "ValueError"),
        ((302, {"Location": PATH}, b""), "more than 3 redirects"),
    ],
)
def test_all_other_failures_pass_and_are_asked_for_again(server, fetch, good, tmp_path, answer, reason):
    server.tell(PATH, answer)
    failures, slept = fetch()
    assert failures[ENTRY].startswith("not fetched, the next run tries again: the PDB: ") and reason in failures[ENTRY]
    assert slept == list(WAITS)
    assert names(tmp_path) == []
    server.tell(PATH, answer, (200, {}, good))
    if reason != "more than 3 redirects":
        assert fetch() == ({}, [1.0])
    assert missing([ENTRY], tmp_path) == [] or reason == "more than 3 redirects"


def test_another_entry_half_a_file_and_one_without_atoms_are_not_kept(server, fetch, good, data_folder, tmp_path):
    other = binary_cif(data_folder / "3c4s_A_1.cif", "2ABC")
    for content, reason in (
        (other, "another entry"),
        (good[: len(good) // 2], "not BinaryCIF"),
        (good + b"x", "not Bin"),
    ):
        server.tell(PATH, (200, {}, content))
        assert reason in fetch()[0][ENTRY]
        assert names(tmp_path) == []


def test_a_silent_server_and_a_slow_one_are_not_waited_for(server, fetch, good):
    server.tell(PATH, (200, {}, [b"", *([b"x"] * 40)]))
    assert "took longer than 0.1 s" in fetch(seconds=0.1)[0][ENTRY]
    assert "Timeout" in fetch(read_timeout=0.01)[0][ENTRY]


def test_a_server_that_is_not_there(server, tmp_path):
    gone = Database("the PDB", "http://127.0.0.1:1/{id}.bcif", ("http://127.0.0.1:1",), False)
    entries = [DatabaseEntry(f"{number}abc", False) for number in range(1, 9)]
    asked = []
    failures = fetch_all(entries, tmp_path, Patience(1000, 5.0, waits=(0.5,), sleep=asked.append), pdb=gone)
    assert list(failures) == entries and "ConnectionError" in failures[entries[4]]
    assert len(asked) == 5 and "5 times in a row" in failures[entries[5]]


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), ("100000", 60, 60), ("0", 1, 1), ("soon", 1, 1), ("9" * 5000, 1, 60), ("-5", 1, 1)],
)
def test_a_server_may_ask_for_a_longer_wait_within_a_bound(server, fetch, good, header, low, high):
    server.tell(PATH, (429, {"Retry-After": header}, b""), (200, {}, good))
    failures, (wait,) = fetch()
    assert not failures and low <= wait <= high


def test_the_wait_may_be_a_date(server, fetch, good):
    server.tell(PATH, (503, {"Retry-After": formatdate(4e9, usegmt=True)}, b""), (200, {}, good))
    assert fetch() == ({}, [60.0])


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_what_is_too_large_is_neither_kept_nor_asked_for_again(server, fetch, tmp_path, headers):
    content = bytes(30_000_000)
    server.tell(PATH, (200, headers, gzip.compress(content) if headers else content))
    failures, slept = fetch(max_bytes=1_000_000)
    assert failures == {ENTRY: "not fetched: it is larger than 1 MB"}
    assert (slept, names(tmp_path)) == ([], [])


def test_redirects_within_the_server_are_followed(server, fetch, good):
    server.tell(PATH, (301, {"Location": "/new"}, b""))
    server.tell("/new", (200, {"Content-Encoding": "gzip"}, gzip.compress(good)))
    assert fetch() == ({}, [])


def test_predictions_are_found_by_the_list_of_models(server, fetch, data_folder, tmp_path):
    entry = DatabaseEntry("P12345", True)
    content = binary_cif(data_folder / "3c4s_A_1.cif", "AF-P12345-F1")
    files = [f"{server.origin}/files/AF-{name}-F1-model_v6.bcif" for name in ("P12345-2", "P12345")]
    server.tell("/files/AF-P12345-F1-model_v6.bcif", (200, {}, content))
    server.tell("/api/P12345", (200, {}, json.dumps([{"bcifUrl": file} for file in files]).encode()))
    assert fetch(entry) == ({}, [])
    assert (tmp_path / "AF-P12345-F1.bcif").read_bytes() == content


@pytest.mark.parametrize(
    "listed",
    [
        b"[]",
        b"{}",
        b"7",
        b"[" * 100_000,
        b'[{"bcifUrl": 7}]',
        b'[{"bcifUrl": "https://example.org/AF-P12345-F1-model_v6.bcif"}]',
        b'[{"bcifUrl": "file:///AF-P12345-F1-model_v6.bcif"}]',
        b"<html>",
    ],
)
def test_an_odd_list_of_models_leads_nowhere(server, fetch, tmp_path, listed):
    entry = DatabaseEntry("P12345", True)
    server.tell("/api/P12345", (200, {}, listed))
    assert "the next run tries again: the AlphaFold database" in fetch(entry)[0][entry]
    assert set(server.asked) == {"/api/P12345"} and names(tmp_path) == []
