"""What a reader decides where a file leaves it open: alternatives, the last oxygen, whose confidence, which hand."""

import numpy as np
import pytest

from gm_multimodal.protein.input_structure import InputStructure, read_input
from gm_multimodal.protein.output import write_structure
from gm_multimodal.protein.reading_notes import MIRRORED
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.structure import read_backbone
from gm_multimodal.protein.structure_file import open_structure


def edit(line: str, start: int, text: str) -> str:
    return line[:start] + text + line[start + len(text) :]


def number(line: str) -> int:
    return int(line[22:26])


@pytest.fixture
def lines(data_folder) -> list[str]:
    text = (data_folder / "3op9_A_6.pdb").read_text()
    return [line for line in text.splitlines() if line.startswith("ATOM") and number(line) <= 30]


@pytest.fixture
def read(tmp_path):
    def call(lines: list[str]) -> InputStructure:
        (tmp_path / "some.pdb").write_text("\n".join([*lines, "END"]) + "\n")
        structure = read_input(tmp_path / "some.pdb")
        [chain] = read_backbone(tmp_path / "some.pdb")  # as prepare reads it
        np.testing.assert_array_equal(chain.coordinates, structure.backbone.coordinates)
        np.testing.assert_array_equal(chain.tokens, structure.backbone.tokens)
        return structure

    return call


def alternative(lines: list[str], altloc: str, occupancies: tuple[float, float], shift: float, name: str) -> list[str]:
    """Residue 3 with an occupancy of its backbone and one of its side chain, moved and renamed."""
    found = []
    for line in lines:
        if number(line) == 3:
            is_backbone = line[12:16].strip() in ("N", "CA", "C", "O")
            line = edit(edit(line, 16, altloc), 54, f"{occupancies[0 if is_backbone else 1]:6.2f}")
            found.append(edit(edit(line, 17, name), 30, f"{float(line[30:38]) + shift:8.3f}"))
    return found


@pytest.mark.parametrize("labels", ["AB", "12", "BA"])
@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ((0.5, 0.5), (0.5, 0.5), 0),  # the first of equals
        ((0.6, 0.6), (0.4, 0.4), 0),
        ((0.4, 0.4), (0.6, 0.6), 1),
        ((0.55, 0.1), (0.45, 0.9), 1),  # by all atoms together
    ],
)
def test_alternatives_are_chosen_once_for_all_atoms_of_a_residue(read, lines, labels, first, second, chosen):
    start = next(k for k, line in enumerate(lines) if number(line) == 3)
    rest = [line for line in lines[start:] if number(line) != 3]
    both = [*alternative(lines, labels[0], first, 0.0, "SER"), *alternative(lines, labels[1], second, 0.5, "ARG")]
    plain, structure = read(lines), read([*lines[:start], *both, *rest])
    assert decode(structure.backbone.tokens)[2] == "SR"[chosen]
    for read_, expected in (
        (structure.backbone.coordinates[2], plain.backbone.coordinates[2]),
        (structure.side_chains[2].coordinates, plain.side_chains[2].coordinates),
    ):
        np.testing.assert_allclose(read_ - expected, np.array([0.5 * chosen, 0, 0]) + 0 * expected, atol=2e-3)


@pytest.mark.parametrize(
    "names", [("OT1", "OT2"), ("OC1", "OC2"), ("O1", "O2"), ("O'", "O''"), ("OXT",), ("OXT", "OT2")]
)
def test_the_last_residue_is_read_whatever_its_oxygens_are_called(read, lines, names):
    last = number(lines[-1])
    [oxygen] = [line for line in lines if number(line) == last and line[12:16] == " O  "]
    kept = [line for line in lines if line is not oxygen]
    plain = read(lines)
    structure = read([*kept, *(edit(oxygen, 12, f" {name:<3}") for name in names)])
    np.testing.assert_array_equal(structure.backbone.coordinates, plain.backbone.coordinates)
    assert structure.side_chains[last - 1].names == plain.side_chains[last - 1].names


def test_a_side_chain_that_is_absent_is_written_with_an_ideal_beta_carbon(read, lines, tmp_path):
    structure = read([line for line in lines if line[12:16].strip() in ("N", "CA", "C", "O")])
    path = tmp_path / "out.pdb"
    write_structure(path, structure.backbone, None, title="t", remarks=[], side_chains=structure.side_chains)
    atoms = open_structure(path, side_chains=True).atoms(1)
    real = read(lines)
    for k, letter in enumerate(decode(structure.backbone.tokens)):
        beta = atoms.coord[(atoms.res_id == k + 1) & (atoms.atom_name == "CB")]
        assert len(beta) == (letter != "G")
        if letter != "G":
            assert np.linalg.norm(beta[0] - real.side_chains[k].coordinates[0]) < 0.4


@pytest.mark.parametrize("atoms", [("N", "CA", "C", "O", "CB"), ("N", "CA", "C", "O")])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirror_image_is_told_by_beta_carbons_or_by_phi(read, lines, atoms, axis):
    lines = [line for line in lines if line[12:16].strip() in atoms]
    columns = slice(30 + 8 * axis, 38 + 8 * axis)
    mirrored = [edit(line, columns.start, f"{-float(line[columns]):8.3f}") for line in lines]
    assert not read(lines).notes
    assert [note.kind for note in read(mirrored).notes] == [MIRRORED]


def confident(lines: list[str], scale: float) -> list[str]:
    return [edit(line, 60, f"{scale * (30 + number(line)):6.2f}") for line in lines]


@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize("head", [[], ["PARENT N/A"], ["MODEL        1"], ["TITLE     MADE BY BOLTZ"]])
def test_predictions_are_told_by_records_or_by_one_b_factor_a_residue(lines, tmp_path, scale, head):
    path = tmp_path / "some.pdb"
    path.write_text("\n".join([*head, *confident(lines, scale), "END"]) + "\n")
    assert open_structure(path).is_predicted


def test_other_b_factors_are_none(lines, tmp_path):
    def is_predicted(*head: str, lines: list[str]) -> bool:
        path = tmp_path / "some.pdb"
        path.write_text("\n".join([*head, *lines, "END"]) + "\n")
        return open_structure(path).is_predicted

    assert not is_predicted(lines=lines)
    assert not is_predicted(lines=[edit(line, 60, " 20.00") for line in lines])
    per_atom = [edit(line, 60, f"{20 + k % 37:6.2f}") for k, line in enumerate(lines)]
    assert not is_predicted(lines=per_atom)
    assert not is_predicted("HEADER    HYDROLASE", "EXPDTA    X-RAY DIFFRACTION", lines=confident(lines, 1.0))


CIF = """data_some
{head}loop_
_atom_site.group_PDB
_atom_site.label_atom_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_seq_id
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.B_iso_or_equiv
{rows}
"""


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("_ma_qa_metric.id 1\n", True),
        ("_exptl.method 'THEORETICAL MODEL'\n_ma_qa_metric.id 1\n", True),
        ("_exptl.method 'THEORETICAL MODEL'\n", True),
        ("_struct.pdbx_structure_determination_methodology computational\n", True),
        ("_exptl.method 'X-RAY DIFFRACTION'\n", False),
        ("_exptl.method 'X-RAY DIFFRACTION'\n_ma_qa_metric.id 1\n", False),
        ("", True),  # by the B-factors
        ("_cell.length_a 30.0\n", False),
    ],
)
def test_the_same_of_mmcif(lines, tmp_path, head, expected):
    rows = [
        f"ATOM {line[12:16]} {line[17:20]} A {number(line)} {line[30:38]} {line[38:46]} {line[46:54]} {line[60:66]}"
        for line in confident(lines, 1.0)
    ]
    path = tmp_path / "some.cif"
    path.write_text(CIF.format(head=head, rows="\n".join(rows)))
    assert open_structure(path).is_predicted == expected
    [chain] = read_backbone(path)
    assert len(chain) == 30
