"""Every task end to end, with a tiny network and real structures: what is given stays, what is refused says why."""

import csv
import gzip
import shutil
from pathlib import Path

import biotite.structure as struc
import numpy as np
import pytest

import gm_multimodal
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.structure import read_backbone
from gm_multimodal.protein.structure_file import open_structure

OMIT = "ACDEFGHIKL"


def atoms_of(path: Path) -> struc.AtomArray:
    return open_structure(path, side_chains=True).atoms(1)


@pytest.fixture
def design(run, tiny_checkpoint, tmp_path):
    """Run `design` in a few steps; returns the folder and what was said on standard error."""

    def call(*options: str, out: str = "run"):
        common = (f"checkpoint={tiny_checkpoint}", f"out={out}", "steps=3", "batch_size=3", "threads=1")
        code, _, err = run("design", *common, *options)
        assert code == 0, err
        return tmp_path / "here" / out, err

    return call


@pytest.fixture
def structure(data_folder) -> str:
    return f"structure={data_folder / '3op9_A_6.pdb'}"


def rows(folder, name: str = "designs.csv") -> list[dict[str, str]]:
    with (folder / name).open() as lines:
        return list(csv.DictReader(lines))


def sequences(folder) -> list[str]:
    return [row["sequence"] for row in rows(folder)]


def files(folder) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in ("designs.csv", "config.yaml")}


@pytest.fixture
def input_chain(data_folder):
    (chain,) = read_backbone(data_folder / "3op9_A_6.pdb")
    return chain


def test_folding_keeps_the_sequences_and_takes_turns(design, tmp_path):
    first, second = "MKVLIAGGSWQERNDPYTHC", "acdefghiklmnpqrstvwyXXu"
    (tmp_path / "two.fasta").write_text(f">one\n{first}\n>two\n{second}\n")
    folder, err = design("task=fold", f"fasta={tmp_path / 'two.fasta'}", "num_designs=2")
    found = rows(folder)
    assert [row["input"] for row in found] == ["one", "two", "one", "two"]
    assert [found[0]["sequence"], found[2]["sequence"]] == [first, first]
    assert all(row["sequence"].startswith(second[:20].upper()) and row["sequence"].endswith("C") for row in found[1::2])
    assert (found[0]["mean_probability"], found[0]["score"]) == ("", "")
    assert float(found[1]["score"]) > 0  # of the two unknown residues
    assert "note: two: 1 U taken for C" in err
    assert "note: two: 2 X left to the model" in err
    atoms = atoms_of(folder / "design_0001.pdb")
    assert set(atoms.res_id[atoms.b_factor > 0]) == {21, 22}
    (one,), (other,) = read_backbone(folder / "design_0000.pdb"), read_backbone(folder / "design_0002.pdb")
    assert not np.allclose(one.coordinates, other.coordinates)


def test_inverse_folding_keeps_the_backbone_and_the_fixed_residues(design, structure, input_chain):
    folder, _ = design("task=inverse_fold", structure, "num_designs=4", "fix=A10-25,A40", f"omit={OMIT}")
    fixed = [*range(9, 25), 39]
    for row in rows(folder):
        (chain,) = read_backbone(folder / row["file"])
        assert (chain.coordinates == input_chain.coordinates).all()
        assert (chain.tokens[fixed] == input_chain.tokens[fixed]).all()
        free = np.delete(chain.tokens, fixed)
        assert not set(decode(free)) & set(OMIT)
        recovered = np.mean(free == np.delete(input_chain.tokens, fixed))
        assert float(row["recovery"]) == pytest.approx(recovered, abs=1e-4)
    header = (folder / "designs.fasta").read_text().splitlines()[0]
    assert all(f" {key}=" in header for key in ("score", "recovery", "input"))
    assert len(set(sequences(folder))) == 4
    atoms = atoms_of(folder / "design_0000.pdb")
    assert set(atoms.res_id[atoms.b_factor == 0]) >= {place + 1 for place in fixed}


def test_the_score_is_minus_the_mean_log_of_the_b_factors(design, structure):
    folder, _ = design("task=inverse_fold", structure, "num_designs=1")
    atoms = atoms_of(folder / "design_0000.pdb")
    p = atoms.b_factor[atoms.atom_name == "CA"] / 100
    assert float(rows(folder)[0]["score"]) == pytest.approx(-np.log(p).mean(), abs=0.02)  # two decimals of per cent


@pytest.mark.parametrize("redesign", [False, True])
def test_a_motif_is_copied_with_its_side_chains(design, structure, data_folder, redesign):
    options = ["task=motif", structure, "contig=5-15,A16-31,3/A40-44,5-15", "num_designs=5", f"omit={OMIT}"]
    options += ["redesign_motif_sequence=true", "fix=A16-18"] if redesign else []
    folder, _ = design(*options)
    source = atoms_of(data_folder / "3op9_A_6.pdb")
    mapping = rows(folder, "mapping.csv")
    motif = [*range(16, 32), *range(40, 45)]
    for row in rows(folder):
        atoms = atoms_of(folder / row["file"])
        pairs = [(int(m["residue"]), int(m["input_residue"])) for m in mapping if m["id"] == row["id"]]
        assert [there for _, there in pairs] == motif
        here, there = [], []
        for number, origin in pairs:
            ours, theirs = atoms[atoms.res_id == number], source[source.res_id == origin]
            kept = not redesign or origin < 19
            names = theirs.atom_name if kept else np.array(["N", "CA", "C", "O"])
            assert (ours.res_name[0] == theirs.res_name[0]) or not kept
            assert (ours.b_factor == 0).all()
            assert not kept or set(ours.atom_name) == set(theirs.atom_name)
            here += [ours.coord[ours.atom_name == name][0] for name in names]
            there += [theirs.coord[theirs.atom_name == name][0] for name in names]
        here, there = np.array(here), np.array(there)
        fitted, _ = struc.superimpose(there, here)
        assert np.abs(fitted - there).max() < 0.01
        designed = np.setdiff1d(atoms.res_id, [number for number, _ in pairs])
        letters = {row["sequence"][number - 1] for number in designed}
        assert not letters & set(OMIT)
        assert 34 <= len(row["sequence"]) <= 54
    assert len({row["length"] for row in rows(folder)}) > 1
    text = (folder / "design_0000.pdb").read_text()
    assert "B-FACTOR = 0 WHERE A RESIDUE OR ITS TYPE IS OF THE INPUT" in " ".join(text.split())


def test_other_chains_stand_by_under_their_names(design, tmp_path, data_folder):
    lines = (data_folder / "3op9_A_6.pdb").read_text().splitlines()
    atoms = [line for line in lines if line.startswith("ATOM")]
    moved = [line[:21] + ("A" if int(line[22:26]) <= 40 else "K") + line[22:] for line in atoms]
    (tmp_path / "two.pdb").write_text("\n".join([*moved, "END", ""]))
    contig = "contig=8,A16-31,8/0 K"
    folder, _ = design("task=motif", f"structure={tmp_path / 'two.pdb'}", contig, "num_designs=1")
    first, second = read_backbone(folder / "design_0000.pdb")
    assert (first.names[0].chain, second.names[0].chain) == ("A", "K")
    assert list(first.numbers) == list(range(1, 33))
    assert list(second.numbers) == list(range(41, 70))
    text = (folder / "design_0000.pdb").read_text().splitlines()
    assert sum(line.startswith("TER") for line in text) == 2
    serials = [int(line[6:11]) for line in text if line.startswith(("ATOM", "TER"))]
    assert serials == list(range(1, len(serials) + 1))
    contig = contig.replace("K", "A1-10")
    cif, _ = design("task=motif", f"structure={tmp_path / 'two.pdb'}", contig, "num_designs=1", "format=cif", out="cif")
    assert [(c.names[0].chain, len(c)) for c in read_backbone(cif / "design_0000.cif")] == [("B", 32), ("A", 10)]


@pytest.mark.parametrize("options", [(), ("format=cif", "trajectories=true")], ids=str)
def test_designs_of_unequal_length_are_the_same_however_the_run_came_about(design, structure, options):
    task = ("task=motif", structure, "contig=5-25,A16-31,5-25", *options)
    whole, _ = design(*task, "num_designs=7", out="whole")
    design(*task, "num_designs=2", out="grown")
    (whole.parent / "grown" / f"design_0001.{'cif' if options else 'pdb'}").unlink()
    grown, _ = design(*task, "num_designs=7", out="grown")
    shorter, _ = design(*task, "num_designs=4", out="shorter")
    names = [path.name for path in whole.glob("design_*")]
    assert len(names) == 7
    assert all((whole / name).read_bytes() == (grown / name).read_bytes() for name in names)
    few = [path.name for path in shorter.glob("design_*")]
    assert all((whole / name).read_bytes() == (shorter / name).read_bytes() for name in few)
    assert (whole / "mapping.csv").read_bytes() == (grown / "mapping.csv").read_bytes()


def test_padding_is_no_part_of_a_design(design, structure):
    """Alone or padded in a block the numbers are the same to rounding, for every draw is the row's own."""
    task = ("task=inverse_fold", structure, "num_designs=1")
    alone, _ = design(*task, "batch_size=1", out="alone")
    block, _ = design(*task, "batch_size=2", out="block")
    assert sequences(alone) == sequences(block)


def test_a_noised_structure_comes_back_where_little_time_is_left(design, structure, input_chain):
    near, _ = design("task=partial", structure, "start_time=0.999", "num_designs=2", out="near")
    far, _ = design("task=partial", structure, "start_time=0.2", "num_designs=2", out="far")
    deviation = {}
    for folder in (near, far):
        (chain,) = read_backbone(folder / "design_0000.pdb")
        deviation[folder] = np.abs(chain.coordinates[:, 1] - input_chain.coordinates[:, 1]).max()
    assert deviation[near] < 0.3 < 3 < deviation[far]
    assert all(float(row["recovery"]) > 0.95 for row in rows(near))
    assert all(float(row["recovery"]) < 0.6 for row in rows(far))


def test_fixed_residues_of_a_noised_structure_stay(design, structure, input_chain):
    folder, _ = design("task=partial", structure, "start_time=0.3", "num_designs=3", "fix=A1-20", f"omit={OMIT}")
    source = atoms_of(folder.parents[0] / structure.removeprefix("structure="))
    for row in rows(folder):
        (chain,) = read_backbone(folder / row["file"])
        assert (chain.coordinates[:20] == input_chain.coordinates[:20]).all()
        assert not np.allclose(chain.coordinates[20:], input_chain.coordinates[20:], atol=1)
        assert row["sequence"].startswith(decode(input_chain.tokens[:20]))
        atoms = atoms_of(folder / row["file"])
        assert (atoms.coord[atoms.res_id <= 20] == source.coord[source.res_id <= 20]).all()


def test_omitted_types_never_appear_and_biased_ones_prevail(design):
    folder, _ = design("length=40", "num_designs=6", f"omit={OMIT}", "bias=W:4")
    letters = "".join(sequences(folder))
    assert not set(letters) & set(OMIT)
    assert letters.count("W") > 0.6 * len(letters)


def test_a_folder_of_structures_takes_turns_and_says_what_it_cannot_read(design, tmp_path, data_folder):
    folder = tmp_path / "in, [put]"
    folder.mkdir()
    shutil.copy(data_folder / "3op9_A_6.pdb", folder / "a.pdb")
    (folder / "b.cif.gz").write_bytes(gzip.compress((data_folder / "3c4s_A_1.cif").read_bytes()))
    (folder / "c.pdb").write_text("<!DOCTYPE html>\n<html><body>404</body></html>\n")
    (folder / "notes.txt").write_text("")
    out, err = design("task=inverse_fold", f"structure={folder}", "num_designs=2")
    assert [row["input"] for row in rows(out)] == ["a.pdb", "b.cif.gz"] * 2
    assert "note: c.pdb is left out" in err
    glob, _ = design("task=inverse_fold", f"structure={tmp_path}/in*/*.pdb", "num_designs=1", out="glob")
    assert [row["input"] for row in rows(glob)] == ["a.pdb"]


def test_another_input_of_the_same_name_is_another_run(design, run, tiny_checkpoint, tmp_path, data_folder):
    file = tmp_path / "x.pdb"
    shutil.copy(data_folder / "3op9_A_6.pdb", file)
    design("task=inverse_fold", f"structure={file}", "num_designs=1")
    shutil.copy(data_folder / "3w0e_A_1.pdb", file)
    common = (f"checkpoint={tiny_checkpoint}", "out=run", "steps=3", "batch_size=3", "threads=1")
    code, _, err = run("design", "task=inverse_fold", f"structure={file}", "num_designs=1", *common)
    assert code == 2
    assert "made_with.input_digest" in err


def test_a_plan_is_told_and_nothing_is_written(run, structure, tmp_path):
    arguments = ("task=motif", structure, "contig=5-15,A16-31,10", "length=30-35", "omit=C", "validate=true")
    code, out, err = run("design", *arguments)
    assert (code, err) == (0, "")
    assert "task motif: 8 designs of 3" in out
    assert "3op9_A_6.pdb has the residues A 1-69" in out
    assert "added to logits: C -inf" in out
    assert "= A16-31 (structure and sequence given)" in out
    assert list((tmp_path / "here").iterdir()) == []
    code, _, err = run("design", "omit=CX", "validate=true")
    assert (code, "'X' is not a residue type" in err) == (2, True)


def test_the_function_does_what_the_command_does(design, tiny_checkpoint, structure, tmp_path):
    options = {"num_designs": 2, "steps": 3, "batch_size": 3, "threads": 1, "checkpoint": tiny_checkpoint}
    path = structure.removeprefix("structure=")
    made = gm_multimodal.design(task="motif", structure=path, contig="5,A16-31,5", **options)
    folder, _ = design("task=motif", structure, "contig=5,A16-31,5", "num_designs=2")
    assert list(made.table["sequence"]) == sequences(folder)
    for atoms, row in zip(made.structures, rows(folder), strict=True):
        assert (atoms.coord == atoms_of(folder / row["file"]).coord).all()
    assert made.folder is None
    with pytest.raises(ValueError, match="did you mean length"):
        gm_multimodal.design(lenght=80)
    with pytest.raises(AttributeError):
        gm_multimodal.nothing  # noqa: B018


@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_chain_names_of_two_letters_are_mapped_in_pdb_files_alone(design, run, data_folder, tmp_path, suffix):
    lines = [line for line in (data_folder / "3op9_A_6.pdb").read_text().splitlines() if line.startswith("ATOM")]
    lines = [line for line in lines if int(line[22:26]) <= 12]
    path = tmp_path / "two.pdb"
    path.write_text("\n".join([*(line[:20] + "BA" + line[22:] for line in lines), "TER"]) + "\n")
    options = ("task=inverse_fold", f"structure={path}", f"format={suffix}", "trajectories=true", "num_designs=1")
    _, _, said = run("design", "validate=true", *options)
    assert "BA as A" in said
    folder, said = design(*options)
    assert "BA as A" in said
    names = set(atoms_of(folder / f"design_0000.{suffix}").chain_id)
    assert names == {"A" if suffix == "pdb" else "BA"}
    assert set(atoms_of(folder / "trajectories" / "design_0000.pdb").chain_id) == {"A"}
    if suffix == "pdb":
        mapping = rows(folder, "mapping.csv")
        assert len(mapping) == 12 and {(row["chain"], row["input_chain"]) for row in mapping} == {("A", "BA")}
    else:
        assert not (folder / "mapping.csv").exists()


@pytest.mark.parametrize("numbers", [range(1, 13), [5]])
def test_residues_of_an_unknown_type_are_designed_and_not_counted_as_recovered(design, data_folder, tmp_path, numbers):
    lines = [line for line in (data_folder / "3op9_A_6.pdb").read_text().splitlines() if line.startswith("ATOM")]
    lines = [line for line in lines if int(line[22:26]) <= 12]
    path = tmp_path / "unk.pdb"
    path.write_text("\n".join(line[:17] + "UNK" + line[20:] if int(line[22:26]) in numbers else line for line in lines))
    folder, said = design("task=inverse_fold", f"structure={path}", "num_designs=1")
    [row] = rows(folder)
    assert int(row["length"]) == 12 and "X" not in row["sequence"] and "note" not in said
    known = 12 - len(numbers)
    assert (row["recovery"] == "") == (known == 0)
    if known:
        assert float(row["recovery"]) * known == pytest.approx(round(float(row["recovery"]) * known), abs=1e-2)
