"""Names from strangers in design, evaluate and prepare: neither tables, files nor the terminal do what they say."""

import csv
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import gm_multimodal
from gm_multimodal.app.folders.csv_table import read_table

FORMULAS = tuple("=+@\t\r＝")
HOSTILE = "=1+1|\x1b[31mA\u202e\x00" if os.name == "nt" else "=1+1|\x1b[31mA\u202e"  # NUL is in no file name
SEQUENCE = "MKVLIAGGSWQERNDPYTHC"


def assert_harmless(*texts: str) -> None:
    """Every line can be shown on a terminal as it is."""
    for text in texts:
        assert all(line.isprintable() for line in text.split("\n")), text


def assert_no_formulas(path: Path) -> None:
    assert_harmless(path.read_text(encoding="utf-8"))
    with path.open(encoding="utf-8", newline="") as lines:
        assert not [cell for row in csv.reader(lines) for cell in row if cell.startswith(FORMULAS)]


@pytest.fixture
def design(run, tiny_checkpoint):
    def call(*options: str) -> Path:
        code, out, err = run("design", f"checkpoint={tiny_checkpoint}", "out=run", "steps=2", "batch_size=1", *options)
        assert code == 0, err
        assert_harmless(out)
        return Path("run")

    return call


@pytest.mark.parametrize("format", ["pdb", "cif"])
def test_a_header_of_fasta_is_text_everywhere_and_the_run_goes_on(design, tmp_path, format):
    fasta = tmp_path / "x.fasta"
    fasta.write_text(f">=cmd|'!A0\x1b[2J\u202e\x00 more\n{SEQUENCE}\n>-2+3\n{SEQUENCE}\n", encoding="utf-8")
    options = ("task=fold", f"fasta={fasta}", f"format={format}")
    folder = design(*options, "num_designs=1")
    before = (folder / "design_0000").with_suffix(f".{format}").read_bytes()
    design(*options, "num_designs=2", "keep_best=1")
    assert (folder / "design_0000").with_suffix(f".{format}").read_bytes() == before
    names = [r"=cmd|'!A0\x1b[2J\u202e\x00", "-2+3"]
    for table, rows in ((folder / "designs.csv", 4), (folder / "best" / "designs.csv", 2)):
        assert_no_formulas(table)
        found = [row["input"] for row in read_table(table)[1]]
        assert sorted(found) == sorted(names * (rows // 2))
    for file in folder.iterdir():
        if file.is_file():
            assert_harmless(file.read_text(encoding="utf-8"))
    assert (folder / "designs.fasta").read_text().count("\n") == 8


def test_the_function_returns_names_as_they_came(tiny_checkpoint, tmp_path):
    fasta = tmp_path / "x.fasta"
    fasta.write_text(f">=1+1\n{SEQUENCE}\n", encoding="utf-8")
    designs = gm_multimodal.design(
        task="fold", fasta=str(fasta), checkpoint=str(tiny_checkpoint), num_designs=1, steps=2, threads=1
    )
    assert designs.table["input"].tolist() == ["=1+1"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_names_of_structures(design, data_folder, tmp_path):
    path = tmp_path / f"{HOSTILE}\n.pdb"
    shutil.copy(data_folder / "3op9_A_6.pdb", path)
    folder = design("task=motif", f"structure={path}", "contig=4,A10-25,4", "num_designs=1")
    for file in ("designs.csv", "mapping.csv"):
        assert_no_formulas(folder / file)
        assert read_table(folder / file)[1][0]["input"] == r"=1+1|\x1b[31mA\u202e\n.pdb"
    assert_harmless((folder / "design_0000.pdb").read_text(), (folder / "config.yaml").read_text())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_names_of_files_in_evaluate_and_prepare(run, data_folder, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copy(data_folder / "3op9_A_6.pdb", folder / f"{HOSTILE}.pdb")
    shutil.copy(data_folder / "4kmf_A_1.pdb", os.fsencode(folder) + b"/half\xff.pdb")
    (folder / "@broken\x1b[0m.pdb").write_text("nothing")
    shown = r"=1+1|\x1b[31mA\u202e"
    code, out, err = run("evaluate", f"designs={folder}", "out=evaluation", "threads=1")
    assert code == 0, err
    assert_harmless(out)
    for table in ("metrics.csv", "rejected.csv"):
        assert_no_formulas(Path("evaluation") / table)
    assert [row["id"] for row in read_table(Path("evaluation/metrics.csv"))[1]] == [shown, r"half\udcff"]
    assert_harmless(*(Path("evaluation", name).read_text("utf-8") for name in ("report.html", "summary.json")))

    code, out, err = run("prepare", f"structures={folder}", "out=made", "workers=1", "min_length=20")
    assert code == 0, err
    assert_harmless(out, Path("made/report.md").read_text(encoding="utf-8"))
    assert_no_formulas(Path("made/rejected.csv"))
    assert read_table(Path("made/rejected.csv"))[1][0]["file"] == r"@broken\x1b[0m.pdb"
    assert pq.read_table("made/chains.parquet")["source"].to_pylist() == [f"{shown}.pdb", r"half\udcff.pdb"]


@pytest.mark.parametrize("name", ["\x1b[2J\x1b[31m", "a\nb", "\u202egpj", "x" * 20_000])
def test_mistakes_are_one_short_line_without_control_characters(run, name):
    for arguments in (["design", "task=fold", f"fasta={name}"], ["evaluate", f"designs={name}"], [name]):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.endswith("\n")
        assert err[:-1].isprintable()
        assert len(err) < 600


def test_even_a_traceback_obeys_nothing(run, monkeypatch):
    monkeypatch.setenv("GM_MULTIMODAL_TRACEBACK", "1")
    code, _, err = run("design", "task=fold", "fasta=\x1b[2J")
    assert code == 2
    assert "Traceback" in err
    assert_harmless(err)
