import os
import re

import biotite.structure as struc
import numpy as np
import pytest
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import CIFFile, get_structure

from gm_multimodal.errors import UserInputError
from gm_multimodal.files import write_atomically
from gm_multimodal.protein.backbone import unbroken
from gm_multimodal.protein.output import (
    fasta_record,
    ideal_beta_carbons,
    write_structure,
    write_trajectory,
)
from gm_multimodal.protein.residues import MASK, RESIDUES, THREE_LETTER, encode

SEQUENCE = RESIDUES + "GAG"
TOKENS = encode(SEQUENCE)
CONFIDENCE = np.linspace(0.0, 1.0, len(SEQUENCE))
TEXTS = {"title": "gm_multimodal design_0000", "remarks": ["CHECKPOINT base", "SEED 0"]}


@pytest.fixture
def backbone(build_backbone) -> np.ndarray:
    return build_backbone(len(SEQUENCE), -57.0, -47.0).astype(np.float32)


@pytest.fixture
def pdb_path(tmp_path, backbone):
    write_structure(tmp_path / "design.pdb", unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    return tmp_path / "design.pdb"


def read_with_biotite(path) -> struc.AtomArray:
    fields = ["occupancy", "b_factor", "atom_id"]
    if path.suffix == ".pdb":
        return PDBFile.read(path).get_structure(model=1, extra_fields=fields)
    return get_structure(CIFFile.read(path), model=1, extra_fields=fields)


@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_biotite_reads_back_what_was_written(tmp_path, backbone, suffix):
    path = tmp_path / f"design{suffix}"
    write_structure(path, unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    atoms = read_with_biotite(path)
    numbers, names = struc.get_residues(atoms)
    np.testing.assert_array_equal(numbers, np.arange(1, len(SEQUENCE) + 1))
    assert list(names) == [THREE_LETTER[token] for token in TOKENS]
    assert set(atoms.chain_id) == {"A"}
    assert not atoms.hetero.any()
    for position, atom in enumerate(["N", "CA", "C", "O"]):
        np.testing.assert_allclose(atoms.coord[atoms.atom_name == atom], backbone[:, position], atol=5.1e-4)
    beta = atoms[atoms.atom_name == "CB"]
    np.testing.assert_array_equal(beta.res_id, 1 + np.flatnonzero(np.array([*SEQUENCE]) != "G"))
    np.testing.assert_array_equal(atoms.atom_id, np.arange(1, atoms.array_length() + 1))
    np.testing.assert_array_equal(atoms.element, [name[0] for name in atoms.atom_name])
    np.testing.assert_array_equal(atoms.occupancy, 1.0)
    np.testing.assert_allclose(atoms.b_factor[atoms.atom_name == "CA"], 100.0 * CONFIDENCE, atol=5.1e-3)


@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_gemmi_reads_back_what_was_written(tmp_path, backbone, suffix):
    gemmi = pytest.importorskip("gemmi", reason="gemmi, a second reader, is not installed")
    path = tmp_path / f"design{suffix}"
    write_structure(path, unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    [chain] = gemmi.read_structure(str(path))[0]
    assert gemmi.one_letter_code([residue.name for residue in chain]) == SEQUENCE
    assert [residue.seqid.num for residue in chain] == list(range(1, len(SEQUENCE) + 1))


def test_pdb_records(pdb_path):
    lines = pdb_path.read_bytes().decode("ascii").split("\n")
    assert lines[-1] == ""
    assert {len(line) for line in lines[:-1]} == {80}
    records = [line[:6].strip() for line in lines[:-1]]
    order = list(dict.fromkeys(records))
    assert order == ["HEADER", "TITLE", "REMARK", "ATOM", "TER", "END"]
    last_atom, ter = lines[-4], lines[-3]
    assert int(ter[6:11]) == int(last_atom[6:11]) + 1
    assert ter[17:27] == last_atom[17:27] == "GLY A  23 "
    assert lines[records.index("ATOM")] == (
        "ATOM      1  N   ALA A   1      -0.523   1.363   0.000  1.00  0.00           N  "
    )


def test_remarks_explain_the_b_factor_and_wrap(pdb_path):
    remark = PDBFile.read(pdb_path).get_remark(6)
    text = " ".join(line.strip() for line in remark)
    assert text.startswith(
        "CHECKPOINT base SEED 0 B-FACTOR = 100 X MODEL PROBABILITY OF THE RESIDUE TYPE AT TEMPERATURE 1"
    )


def test_mmcif_says_the_same_in_its_own_categories(tmp_path, backbone):
    write_structure(tmp_path / "design.cif", unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    block = CIFFile.read(tmp_path / "design.cif").block
    assert block["struct"]["title"].as_item() == TEXTS["title"]
    assert block["entity_poly"]["pdbx_seq_one_letter_code"].as_item() == SEQUENCE
    remark = block["pdbx_database_remark"]["text"].as_item()
    assert remark.splitlines()[:2] == TEXTS["remarks"]
    assert "B-FACTOR = 100 X MODEL PROBABILITY" in remark


@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_no_confidence_means_no_b_factor_and_no_remark(tmp_path, backbone, suffix):
    path = tmp_path / f"real{suffix}"
    write_structure(path, unbroken(backbone, TOKENS), None, title="REAL", remarks=[])
    assert "REMARK" not in path.read_text().upper()
    np.testing.assert_array_equal(read_with_biotite(path).b_factor, 0.0)


@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_equal_designs_are_equal_bytes_without_a_date(tmp_path, backbone, suffix):
    path = tmp_path / f"design{suffix}"
    write_structure(path, unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    first = path.read_bytes()
    write_structure(path, unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    assert path.read_bytes() == first
    assert not re.search(rb"\d{4}-\d\d-\d\d|\d\d-[A-Z]{3}-\d\d", first)


def test_long_titles_continue_and_other_alphabets_stay_readable(tmp_path, backbone):
    path = tmp_path / "design.pdb"
    write_structure(path, unbroken(backbone, TOKENS), None, title="a long title " * 9, remarks=["Grüße " * 20])
    lines = path.read_bytes().decode("ascii").splitlines()
    assert lines[2].startswith("TITLE    2 long title") or lines[2].startswith("TITLE    2 a long title")
    assert {len(line) for line in lines} == {80}
    assert len(PDBFile.read(path).get_remark(6)) == 2


def test_beta_carbons_are_tetrahedral(backbone):
    beta = ideal_beta_carbons(backbone)
    to_beta, to_nitrogen, to_carbonyl = (point - backbone[:, 1] for point in (beta, backbone[:, 0], backbone[:, 2]))
    np.testing.assert_allclose(np.linalg.norm(to_beta, axis=-1), 1.53, atol=0.02)
    for bond in (to_nitrogen, to_carbonyl):
        cosine = np.sum(to_beta * bond, -1) / np.linalg.norm(to_beta, axis=-1) / np.linalg.norm(bond, axis=-1)
        np.testing.assert_allclose(np.degrees(np.arccos(cosine)), 110.0, atol=1.5)
    # L amino acids: seen from CB, the order N, C, (hydrogen) is fixed
    assert (np.sum(np.cross(to_nitrogen, to_carbonyl) * to_beta, -1) > 0).all()


@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_nothing_is_written_for_values_that_are_not_finite(tmp_path, backbone, suffix):
    backbone[4, 2, 1] = np.nan
    with pytest.raises(ValueError, match="coordinates of residue 5 are not finite"):
        write_structure(tmp_path / f"design{suffix}", unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    confidence = np.where(np.arange(len(TOKENS)) == 7, np.inf, CONFIDENCE)
    with pytest.raises(ValueError, match="confidence of residue 8 are not finite"):
        write_structure(tmp_path / f"design{suffix}", unbroken(np.zeros_like(backbone), TOKENS), confidence, **TEXTS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shift", [9990.0, -990.0])
def test_what_does_not_fit_pdb_columns_is_refused_but_fits_mmcif(tmp_path, backbone, shift):
    backbone += np.float32(shift)
    with pytest.raises(UserInputError, match="does not fit the columns of a PDB file"):
        write_structure(tmp_path / "design.pdb", unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    with pytest.raises(UserInputError, match="does not fit the columns of a PDB file"):
        write_trajectory(tmp_path / "design.pdb", [unbroken(backbone, TOKENS)])
    write_structure(tmp_path / "design.cif", unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)
    assert read_with_biotite(tmp_path / "design.cif").coord[0] == pytest.approx(backbone[0, 0], abs=1e-3)


def test_more_residues_than_pdb_numbers_are_refused(tmp_path):
    long = unbroken(np.zeros((10_000, 4, 3)), np.zeros(10_000, dtype=np.int64))
    with pytest.raises(UserInputError, match="residue 10000; PDB numbers residues from -999 to 9999"):
        write_structure(tmp_path / "design.pdb", long, None, title="LONG", remarks=[])


def test_unknown_suffixes_are_refused(tmp_path, backbone):
    with pytest.raises(UserInputError, match=r"ends in '\.xyz'; choose \.pdb or \.cif"):
        write_structure(tmp_path / "design.xyz", unbroken(backbone, TOKENS), CONFIDENCE, **TEXTS)


def test_a_trajectory_has_one_model_per_step(tmp_path, backbone):
    path = tmp_path / "trajectory.pdb"
    scale = np.array([0.0, 0.5, 1.0])
    steps = backbone[None] * scale[:, None, None, None]
    tokens = np.stack([np.full_like(TOKENS, MASK), np.where(np.arange(len(TOKENS)) < 5, TOKENS, MASK), TOKENS])
    write_trajectory(path, list(map(unbroken, steps, tokens)), title="gm_multimodal design_0000", remarks=["SEED 0"])
    stack = PDBFile.read(path).get_structure(extra_fields=["b_factor"])
    assert stack.coord.shape == (3, 4 * len(TOKENS), 3)
    np.testing.assert_allclose(stack.coord.reshape(steps.shape), steps, atol=5.1e-4)
    assert list(stack.res_name[::4]) == [THREE_LETTER[token] for token in TOKENS]
    known = [PDBFile.read(path).get_b_factor(model)[::4] == 100.0 for model in (1, 2, 3)]
    np.testing.assert_array_equal(known, tokens != MASK)
    records = [line[:6].strip() for line in path.read_text().splitlines()]
    assert [records.count(name) for name in ("MODEL", "TER", "ENDMDL", "END")] == [3, 3, 3, 1]
    assert records.index("TER") == records.index("ENDMDL") - 1
    assert "RESIDUE NAMES ARE THOSE OF THE LAST STEP" in path.read_text()


def test_more_steps_than_pdb_models_are_refused(tmp_path):
    with pytest.raises(UserInputError, match="10000 steps; a PDB file has at most 9999 models"):
        write_trajectory(tmp_path / "long.pdb", [unbroken(np.zeros((1, 4, 3)), np.zeros(1, dtype=np.int64))] * 10_000)


def test_fasta_records():
    assert fasta_record("design_0000", "ACD", length=3, seed=0, mean_confidence=0.61) == (
        ">design_0000 length=3 seed=0 mean_confidence=0.61\nACD\n"
    )
    assert fasta_record("x", "ACD") == ">x\nACD\n"


def test_writing_replaces_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "notes.txt"
    write_atomically(path, "älter\r\n")
    assert path.read_bytes() == "älter\r\n".encode()
    write_atomically(path, b"\x00new")
    assert path.read_bytes() == b"\x00new"

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "newest")
    assert path.read_bytes() == b"\x00new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_titles_and_remarks_cannot_add_lines_or_control_characters(tmp_path, backbone, suffix):
    plain, hostile = tmp_path / f"plain{suffix}", tmp_path / f"hostile{suffix}"
    text = "INPUT\nATOM      1\r\n_evil.x 1\x1b[31m\x00\u202e"
    write_structure(plain, unbroken(backbone, TOKENS), CONFIDENCE, title="T", remarks=["R"])
    write_structure(hostile, unbroken(backbone, TOKENS), CONFIDENCE, title=text, remarks=[text])
    lines = hostile.read_text(encoding="utf-8").split("\n")
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith("ATOM") for line in lines) == plain.read_text().count("\nATOM")
    assert not any(line.startswith("_evil") for line in lines)
    assert read_with_biotite(hostile) == read_with_biotite(plain)


def test_records_of_fasta_are_two_lines():
    assert fasta_record("x", "ACD", input="a\n>b\x1b") == ">x input=a\\n>b\\x1b\nACD\n"
