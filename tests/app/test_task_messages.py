"""What the tasks of `design` refuse, each in one line and before anything is written."""

import pytest

HTML = "<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
CA_ONLY = "ATOM      1  CA  ALA A   1       1.000   2.000   3.000  1.00  0.00           C\nEND\n"
RNA = "".join(
    f"ATOM  {n + 1:>5}  {atom:<3}   A A   1    {n:8.3f}{n:8.3f}{n:8.3f}  1.00  0.00           {atom[0]}\n"
    for n, atom in enumerate(("P", "O5'", "C5'", "C4'"))
)

MISTAKES = [
    ("task=sing", "task=sing is not one of codesign, fold, inverse_fold, motif, partial"),
    ("task=fold", "task=fold needs fasta: give fasta=VALUE."),
    ("task=motif structure={real}", "task=motif needs contig"),
    ("task=inverse_fold", "task=inverse_fold needs structure"),
    ("task=fold fasta=", "fasta= is empty"),
    ("task=fold fasta={empty}", "empty.fasta is empty"),
    ("task=fold fasta={dna}", "has nothing but letters of DNA or RNA"),
    ("task=fold fasta={html}", "is not a FASTA file"),
    ("task=fold fasta=absent.fasta", "absent.fasta does not exist"),
    ("task=inverse_fold structure={html}", "page.pdb"),
    ("task=inverse_fold structure={ca}", "no residue of the twenty types has all of N, CA, C and O"),
    ("task=inverse_fold structure={rna}", "has no protein chain"),
    ("task=inverse_fold structure={folder}", "has no structure that can be read"),
    ("task=inverse_fold structure=*.pdb", "has no structure that can be read (0 files"),
    ("task=inverse_fold structure={real} fix=A", "leaves nothing of 3op9_A_6.pdb to design"),
    ("task=inverse_fold structure={real} fix=B3", "has no chain B; it has A 1-69."),
    ("task=motif structure={real} contig=10,A60-80,10", "no residue A80; it has A 1-69."),
    ("task=motif structure={real} contig=10,A1-60,10 length=50", "length=50 is less than the 60 residues"),
    ("task=motif structure={real} contig=10,A1-60,10 length=70-60", "length=70-60 is not a number of residues"),
    ("task=motif structure={folder} contig=10,A1-60,10", "is a folder"),
    ("task=motif structure={real} contig=10,A1-6,10 fix=A1", "fix=A1 has no effect"),
    ("length=60-90", "length=60-90 is not a whole number"),
    ("length=1000000000", "length=1000000000 is not from 20 to 100000"),
    ("task=motif structure={real} contig=10-9{nines},A16-30", "is more than 100,000 new residues"),
    ("task=motif structure={real} contig=10,A16-9{nines}", "names no residues"),
    ("task=motif structure={real} contig=90000,A16-30,90000", "has up to 180,015 residues"),
    ("task=motif structure={real} contig=10-,A16-30", "'10-' names no residues"),
    ("task=motif structure={real} contig=10,A16-30 length=20-9{nines}", "is not a number of residues"),
    (
        "fix=A1",
        "fix=A1 has no meaning for task=codesign: it belongs to task=inverse_fold or task=motif or task=partial",
    ),
    ("task=fold fasta={empty} omit=C", "omit=C has no meaning for task=fold"),
    ("task=fold fasta={empty} sequence_temperature=0.5", "sequence_temperature=0.5 has no meaning for task=fold"),
    ("task=inverse_fold structure={real} length=80", "length=80 has no meaning for task=inverse_fold"),
    ("start_time=0.5", "start_time=0.5 has no meaning for task=codesign"),
    ("task=partial structure={real} start_time=1", "start_time=1.0 is not between 0 and 1"),
    ("jump_weight=0.3", "jump_weight=0.3 has no effect here: add process/rotations=superposition."),
    (
        "process/rotations=superposition jump_weight=0.3 process.rotations.jump_weight=[1,0]",
        "jump_weight=0.3 and process.rotations.jump_weight=[1, 0] set the same thing",
    ),
    (
        "sequence_temperature=0.5 process.sequence.temperature=0.7",
        "sequence_temperature=0.5 and process.sequence.temperature=0.7 set the same thing",
    ),
    ("sequence_temperature=0.5 ~process.sequence.temperature", "has no effect here: add process/sequence=ctmc."),
    ("omit=CX", "omit=CX: 'X' is not a residue type"),
    ("bias=A", "bias=A: 'A' is not a letter with a number"),
    ("omit=ACDEFGHIKLMNPQRSTVWY", "leaves no residue type"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[arguments for arguments, _ in MISTAKES])
def test_mistakes_of_tasks(run, tiny_checkpoint, tmp_path, data_folder, arguments, message):
    contents = {
        "empty.fasta": "",
        "dna.fasta": ">x\n" + "ACGT" * 10,
        "page.pdb": HTML,
        "ca.pdb": CA_ONLY,
        "rna.pdb": RNA,
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    places = {name.split(".")[0]: tmp_path / name for name in contents} | {"real": data_folder / "3op9_A_6.pdb"}
    (tmp_path / "nothing").mkdir()
    filled = arguments.format(**places, html=tmp_path / "page.pdb", folder=tmp_path / "nothing", nines="9" * 5000)
    code, out, err = run("design", f"checkpoint={tiny_checkpoint}", "steps=1", *filled.split(" "))
    assert code == 2
    assert message in err
    assert out == ""
    assert err.startswith("gm-multimodal design: error: ")
    assert len(err.splitlines()) == 1
    assert list((tmp_path / "here").iterdir()) == []


def test_the_table_of_tasks_names_options_and_readers_that_exist():
    from gm_multimodal.app.cli.commands import load
    from gm_multimodal.app.cli.options import read_command
    from gm_multimodal.app.design.tasks import TASKS

    options = {option.key for option in read_command("design").options}
    for entry in TASKS.values():
        assert options >= {*entry.needs, *entry.reads}
        assert callable(load(entry.reader))


def test_whether_an_option_was_given_is_told_by_the_file_alone(run, tmp_path):
    """The value of the file counts as not given, in whatever way it is written."""
    (tmp_path / "one.fasta").write_text(">one\nACDEFGHIKLMNPQRSTVWYACDEFGHIKL\n")
    given = ("task=fold", f"fasta={tmp_path / 'one.fasta'}", "sequence_temperature=0.20", "start_time=6e-1")
    code, _, err = run("design", *given, "validate=true")
    assert code == 0, err


def test_help_says_what_auto_is():
    from gm_multimodal.app.cli.options import read_command
    from gm_multimodal.app.design.options import AUTO_LENGTH, AUTO_NUMBER, TO_CHOOSE_FROM

    help_of = {option.key: option.help for option in read_command("design").options}
    assert f"(auto: {AUTO_LENGTH})" in help_of["length"]
    assert f"(auto: {AUTO_NUMBER}, or {TO_CHOOSE_FROM} times keep_best)" in help_of["num_designs"]
