"""`prepare` from files to a dataset that `train` reads; the fixtures are made awkward here."""

import csv
import functools
import gzip
import hashlib
import itertools
import json
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from gm_multimodal.networks.chain_context import INDEX
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.preparation.download import Database, fetch_all
from gm_multimodal.protein.preparation.shards import MOST_FILES
from gm_multimodal.protein.preparation.sources import find
from gm_multimodal.protein.preparation.web import Patience
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.structure import read_backbone
from tests.protein.preparation.answers import binary_cif, serving

ANY = {"split": None, "min_length": 1, "max_length": 1000}
FINAL = ("chains.parquet", "rejected.csv", "report.md", "config.yaml", "lengths.png", "secondary_structure.png")


@pytest.fixture
def structures(tmp_path, data_folder) -> Path:
    """The chains that ship with the code, one of them gzipped in a folder below."""
    folder = tmp_path / "structures"
    (folder / "below").mkdir(parents=True)
    for path in sorted(data_folder.glob("*.pdb")):
        shutil.copy(path, folder)
    moved = folder / "4kmf_A_1.pdb"
    (folder / "below" / "4kmf_A_1.pdb.gz").write_bytes(gzip.compress(moved.read_bytes()))
    moved.unlink()
    return folder


def rejections(folder: Path) -> dict[str, list[tuple[str, str]]]:
    with (folder / "rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [(row["reason"], row["number"]) for row in group]
        for name, group in itertools.groupby(rows, lambda r: r["file"])
    }


def checksums(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FINAL}


@pytest.mark.slow
def test_structures_become_a_dataset_that_train_reads(run, structures, data_folder):
    shutil.copy(data_folder / "3c4s_A_1.cif", structures)
    code, out, err = run("prepare", f"structures={structures}", "out=made", "workers=2", "test_share=0.2")
    assert code == 0, err
    assert "5 chains from 5 of 6 files in made/chains.parquet: 3 train (3 clusters)" in out.replace("\\", "/")
    assert rejections(Path("made")) == {"3c4s_A_1.pdb": [("same sequence as another chain: 3c4s_A_1_A_1", "")]}
    chains = read_chains("made", **ANY)
    names = ["2zig_B_218_A_1", "3c4s_A_1_A_1", "3op9_A_6_A_1", "3w0e_A_1_A_1", "below_4kmf_A_1_A_1"]
    assert [row.id for row in chains.rows] == names
    for row in chains.rows:
        [original] = read_backbone(data_folder / f"{row.id.removeprefix('below_').removesuffix('_A_1')}.pdb")
        np.testing.assert_allclose(row.backbone.coordinates, original.coordinates, atol=1e-3)
        assert decode(row.backbone.tokens) == decode(original.tokens)
    for split, count in (("train", 3), ("validation", 1), ("test", 1)):
        assert len(read_chains("made", **ANY | {"split": split})) == count
    assert (Path("made") / "lengths.png").read_bytes().startswith(b"\x89PNG")
    assert "![lengths](lengths.png)" in (Path("made") / "report.md").read_text()
    assert "structures" in yaml.safe_load((Path("made") / "config.yaml").read_text())

    before = checksums(Path("made"))
    shards = {path.name: path.stat().st_mtime_ns for path in Path("made/shards").iterdir()}
    assert run("prepare", f"structures={structures}", "out=made", "workers=1", "test_share=0.2")[0] == 0
    assert checksums(Path("made")) == before
    assert {path.name: path.stat().st_mtime_ns for path in Path("made/shards").iterdir()} == shards

    code, _, err = run("prepare", f"structures={structures}", "out=made", "test_share=0.2", "min_length=50", "seed=1")
    assert code == 2
    assert "min_length: 40 -> 50" in err and "seed: 0 -> 1" in err
    assert checksums(Path("made")) == before

    (structures / "3op9_A_6.pdb").unlink()
    assert run("prepare", f"structures={structures}", "out=made", "test_share=0.2")[0] == 0
    assert len(read_chains("made", **ANY)) == 4


def test_chains_with_marked_gaps_are_trained_on_with_their_true_places(run, structures):
    from gm_multimodal.protein.batch import collate

    path = structures / "3op9_A_6.pdb"
    lines = path.read_text().splitlines()
    kept = [line for line in lines if not (line.startswith("ATOM") and 30 <= int(line[22:26]) <= 33)]
    path.write_text("\n".join(kept))
    assert run("prepare", f"structures={path}", "out=made", "gaps=mark", "workers=1")[0] == 0
    chains = read_chains("made", **ANY)
    assert chains.lengths.tolist() == [65]
    index = collate(chains, [0]).sites[INDEX][0]
    assert index.tolist() == [*range(29), *range(33, 69)]
    assert run("prepare", f"structures={path}", "out=cut", "workers=1", "min_length=20")[0] == 0
    assert sorted(read_chains("cut", **ANY).lengths.tolist()) == [29, 36]


def malformed(good: bytes) -> dict[str, bytes]:
    """Name -> content of thirty files that are no structures, or structures that nobody should train on."""
    lines = good.decode().splitlines()
    atoms = [line for line in lines if line.startswith("ATOM")]
    rng = np.random.default_rng(0)

    def pdb(changed: list[str]) -> bytes:
        return "\n".join(changed).encode()

    def column(start: int, text: str) -> bytes:
        return pdb([line[:start] + text + line[start + len(text) :] for line in atoms])

    header = "data_x\nloop_\n" + "".join(
        f"_atom_site.{name}\n"
        for name in "group_PDB id type_symbol label_atom_id label_comp_id label_asym_id label_seq_id "
        "Cartn_x Cartn_y Cartn_z".split()
    )
    rows = [
        f"ATOM {i} C {line[12:16]} {line[17:20]} A {line[22:26]} {line[30:38]} {line[38:46]} {line[46:54]}"
        for i, line in enumerate(atoms)
    ]
    many = [f"ATOM {i} C CA ALA C{i} 1 {i % 97} {i % 89} {i % 83}" for i in range(100_000)]
    return {
        "cut_within_a_line.pdb": good[: len(good) // 2 // 81 * 81 + 45],
        "cut.pdb.gz": gzip.compress(good)[:-200],
        "cut.cif": (header + "\n".join(rows))[:-30].encode(),
        "cut.bcif": b"\x83\xa7version\xa50.3.0\xa7encoder",
        "shifted_right.pdb": pdb(["X" + line for line in atoms]),
        "shifted_columns.pdb": pdb([line[:30] + "   " + line[30:] for line in atoms]),
        "tabs.pdb": pdb(["\t".join(line.split()) for line in atoms]),
        "too_few_columns.cif": (header + "\n".join(row.rsplit(" ", 1)[0] for row in rows)).encode(),
        "no_coordinates.cif": (header.replace("Cartn", "other") + "\n".join(rows)).encode(),
        "nan.pdb": column(30, "     nan"),
        "inf.pdb": column(38, "     inf"),
        "words_for_numbers.pdb": column(30, "   hello"),
        "stars.pdb": column(46, "********"),
        "nan.cif": (header + "\n".join(row.rsplit(" ", 1)[0] + " nan" for row in rows)).encode(),
        "hundred_thousand_chains.cif": (header + "\n".join(many)).encode(),
        "duplicate_atoms.pdb": pdb([line for line in atoms for _ in range(2)]),
        "the_chain_twice.pdb": pdb(atoms + atoms),
        "all_at_the_origin.pdb": column(30, "   0.000   0.000   0.000"),
        "one_atom_kind.pdb": pdb([line for line in atoms if line[12:16] == " CA "]),
        "far_apart.pdb": pdb([f"{line[:30]}{i % 999 * 9.0:8.3f}{line[38:]}" for i, line in enumerate(atoms)]),
        "noise.pdb": rng.bytes(50_000),
        "noise.cif": rng.bytes(50_000),
        "noise.bcif": rng.bytes(50_000),
        "noise.pdb.gz": rng.bytes(50_000),
        "bomb.pdb.gz": gzip.compress(bytes(40_000_000)),
        "page.pdb": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "page.cif.gz": gzip.compress(b"<html></html>"),
        "empty.pdb": b"",
        "empty.cif": b"",
        "another_format.pdb": json.dumps({"atoms": []}).encode(),
    }


@pytest.mark.slow
def test_malformed_files_have_their_lines_and_the_others_their_chains(run, structures):
    bad = malformed((structures / "3op9_A_6.pdb").read_bytes())
    assert len(bad) == 30
    (structures / "bad").mkdir()
    for name, content in bad.items():
        (structures / "bad" / name).write_bytes(content)
    code, out, err = run("prepare", f"structures={structures}", "out=made", "max_megabytes=20", "workers=1")
    assert code == 0, err
    assert "5 chains from 5 of 35 files" in out
    told = rejections(Path("made"))
    assert set(told) == {f"bad/{name}" for name in bad}
    for name, reason in {
        "bomb.pdb.gz": "expands to more than 20 MB",
        "page.pdb": "is a web page or XML, not a structure",
        "duplicate_atoms.pdb": "residues with duplicate atoms",
        "the_chain_twice.pdb": "residues with duplicate atoms",
        "nan.pdb": "residues whose coordinates are not numbers",
        "hundred_thousand_chains.cif": "more than 5000 chains",
    }.items():
        assert told[f"bad/{name}"][0][0] == reason
    assert told["bad/cut_within_a_line.pdb"][0][0].endswith("is cut off")


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_dataset(run, structures, tmp_path):
    for path in sorted(structures.glob("*.pdb")):
        for copy in range(12):
            shutil.copy(path, structures / f"{path.stem}_{copy}.pdb")
    command = ["prepare", f"structures={structures}", "workers=1", "keep_duplicates=true", "test_share=0.2"]
    assert run(*command, "out=whole")[0] == 0
    killed = Path("killed")
    script = [sys.executable, "-m", "gm_multimodal", *command, f"out={killed}"]
    codes = []
    for reached in ("shards/*", "shards/*.parquet", "rejected.csv*"):
        with subprocess.Popen(script, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not list(killed.glob(reached)):
                time.sleep(0.002)
            process.kill()
        codes.append(process.returncode)
    assert any(codes)
    code, _, err = run(*command, f"out={killed}")
    assert code == 0, err
    assert checksums(killed) == checksums(Path("whole"))
    assert {path.name for path in (killed / "shards").iterdir()} == {
        path.name for path in Path("whole/shards").iterdir()
    }
    assert not list(killed.rglob("*.tmp"))


def test_nothing_is_kept_but_open_shards_while_files_are_read(structures, monkeypatch):
    """By construction: at any time the outcomes that wait for their shard are those of one shard per worker."""
    from gm_multimodal.app.cli import main
    from gm_multimodal.app.prepare import command

    for path in sorted(structures.glob("*.pdb")):
        for copy in range(30):
            shutil.copy(path, structures / f"{path.stem}_{copy}.pdb")
    outcomes: list[weakref.ref] = []
    alive: list[int] = []

    def in_this_process(function, tasks, *, workers, seconds):
        for task in tasks:
            outcome = function(task)
            outcomes.append(weakref.ref(outcome))
            yield task, outcome
            alive.append(sum(reference() is not None for reference in outcomes))

    monkeypatch.setattr(command, "run_each", in_this_process)
    assert (
        main(["prepare", f"structures={structures}", f"out={structures.parent / 'made'}", "keep_duplicates=true"]) == 0
    )
    sources = find(str(structures))
    assert len(alive) == len(sources) == 125
    assert max(alive) <= MOST_FILES + 1 < 100


def test_ids_need_a_connection_and_say_so(run):
    Path("ids.txt").write_text("1abc\nP12345\n")
    code, _, err = run("prepare", "structures=ids.txt", "out=made")
    assert code == 2
    assert "2 of 2 ids are not in made" in err and "download=true" in err


def test_what_cannot_be_fetched_now_is_listed_and_tried_by_the_next_run(run, data_folder, monkeypatch):
    from gm_multimodal.app.prepare import command

    Path("ids.txt").write_text("1abc_A\n2abc\n9zzz\n")
    arguments = ("prepare", "structures=ids.txt", "out=made", "download=true", "workers=1", "keep_duplicates=true")
    path = data_folder / "3c4s_A_1.cif"
    with serving() as server:
        database = Database("the PDB", server.origin + "/{id}.bcif", (server.origin,), False)
        monkeypatch.setattr(command, "fetch_all", functools.partial(fetch_all, pdb=database))
        monkeypatch.setattr(command, "Patience", functools.partial(Patience, waits=(0.01,)))
        server.tell("/1abc.bcif", (503, {}, b""))
        server.tell("/2abc.bcif", (200, {}, b"<html>captcha</html>"))
        code, _, err = run(*arguments)
        assert code == 2 and "no chain of structures=ids.txt can be used" in err
        assert "2 of 3 ids could not be fetched now" in err and "the same command tries them again" in err
        later = "not fetched, the next run tries again: the PDB: "
        absent = [("not in the database", "")]
        busy = [(f"{later}HTTP status 503", "")]
        page = [(f"{later}the answer is a web page or XML", "")]
        assert rejections(Path("made")) == {"1abc.bcif": busy, "2abc.bcif": page, "9zzz.bcif": absent}

        server.tell("/2abc.bcif", (200, {}, binary_cif(path, "2ABC")))
        code, _, err = run(*arguments)
        assert code == 0, err
        assert rejections(Path("made")) == {"1abc.bcif": busy, "9zzz.bcif": absent}

        server.tell("/1abc.bcif", (200, {}, binary_cif(path, "1ABC")))
        server.asked.clear()
        code, _, err = run(*arguments)
        assert code == 0 and "could not be fetched" not in err
        assert server.asked == ["/1abc.bcif"]
        assert rejections(Path("made")) == {"9zzz.bcif": absent}
    assert pq.read_table("made/chains.parquet")["source"].to_pylist() == ["1abc.bcif", "2abc.bcif"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("gaps=fill", "gaps=fill is not one of split, mark, reject"),
        ("models=2", "models=2 is not one of first, all"),
        ("validation_share=0.6 test_share=0.4", "leave nothing to train on"),
        ("workers=0", "workers=0 is below 1"),
        ("workers=many", "neither auto nor a whole number"),
        ("max_length=30", "max_length=30 is below 40"),
        ("predicted=maybe", "predicted=maybe is not one of auto, true, false"),
        ("clustering=mmseqs", "needs the program mmseqs"),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(run, structures, monkeypatch, argument, message):
    monkeypatch.setenv("PATH", "")
    code, _, err = run("prepare", f"structures={structures}", "out=made", *argument.split())
    assert code == 2
    assert message in err
    assert not Path("made").exists()


def test_nothing_to_keep_says_why_and_leaves_the_reasons(run, structures):
    code, _, err = run("prepare", f"structures={structures}", "out=made", "min_length=100", "workers=1")
    assert code == 2
    assert "no chain of structures=" in err and "rejected.csv says why" in err
    assert len(rejections(Path("made"))) == 5
    assert not Path("made/chains.parquet").exists()


def test_a_folder_with_other_things_is_left_alone(run, structures):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("precious")
    code, _, err = run("prepare", f"structures={structures}", "out=mine")
    assert code == 2
    assert "holds files, but not a dataset of this program" in err
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_the_schema_has_what_readers_ask_for(run, structures):
    assert run("prepare", f"structures={structures}", "out=made", "workers=1")[0] == 0
    schema = pq.read_schema("made/chains.parquet")
    assert {"id", "source", "sequence", "length", "coordinates", "cluster30", "split"} <= set(schema.names)
    assert {"chain", "residue_numbers", "insertion_codes"} <= set(schema.names)
    assert "positions" not in schema.names


def test_it_waits_for_no_network():
    """e3nn compiles its own at import, which takes longer than all else that `prepare` needs."""
    script = "import sys, gm_multimodal.app.prepare.command; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"e3nn", "lightning"} & set(loaded)
