"""Side chains of inputs: which atoms, under which names, and what a backbone reader leaves behind."""

import gzip

import numpy as np
import pytest

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.input_structure import open_structure
from gm_multimodal.protein.residues import RESIDUES
from gm_multimodal.protein.side_chains import left_out, read_atoms, side_chains


@pytest.fixture
def lines(data_folder) -> list[str]:
    text = (data_folder / "3op9_A_6.pdb").read_text()
    return [line for line in text.splitlines() if line.startswith("ATOM")]


def edit(line: str, start: int, text: str) -> str:
    return line[:start] + text + line[start + len(text) :]


def atom(number: int, name: str, residue: str, element: str, place: int, x: float) -> str:
    record = f"HETATM{number:>5} {name:<4} {residue} A{place:>4}    {x:8.3f}{1:8.3f}{2:8.3f}  1.00 10.00          "
    return f"{record}{element:>2}"


def read(tmp_path, lines: list[str]):
    path = tmp_path / "some.pdb"
    path.write_text("\n".join([*lines, "END", ""]))
    return read_atoms(path)


def test_heavy_atoms_beyond_the_backbone(data_folder):
    structure = open_structure(data_folder / "3op9_A_6.pdb")
    found = structure.side_chains(range(len(structure)))
    atoms = read_atoms(structure.path)
    for k, item in enumerate(structure.ids):
        theirs = atoms[(atoms.res_id == item.number) & ~np.isin(atoms.atom_name, ["N", "CA", "C", "O", "OXT"])]
        names = found[k].names if k in found else ()
        assert sorted(names) == sorted(theirs.atom_name.tolist())


def test_selenomethionine_and_modified_residues_are_copied_as_the_plain_type(tmp_path):
    mse = [atom(1, " CB ", "MSE", "C", 1, 0.0), atom(2, "SE  ", "MSE", "SE", 1, 1.0)]
    sep = [
        atom(3, " CB ", "SEP", "C", 2, 0.0),
        atom(4, " OG ", "SEP", "O", 2, 1.0),
        atom(5, " P  ", "SEP", "P", 2, 2.0),
    ]
    tokens = {("A", 1, ""): RESIDUES.index("M"), ("A", 2, ""): RESIDUES.index("S")}
    found = side_chains(read(tmp_path, [*mse, *sep]), tokens)
    assert found["A", 1, ""].names == ("CB", "SD")
    assert found["A", 1, ""].elements == ("C", "S")
    assert found["A", 2, ""].names == ("CB", "OG")
    assert found["A", 2, ""].coordinates[:, 0].tolist() == [0.0, 1.0]


def test_what_is_left_out_is_named_with_the_reason(tmp_path, lines):
    kept = [line for line in lines if not (int(line[22:26]) == 5 and line[12:16] == " O  ")]
    kept = [edit(line, 17, "XYZ") if int(line[22:26]) == 9 else line for line in kept]
    present = {("A", n, "") for n in range(1, 70)} - {("A", 5, ""), ("A", 9, "")}
    assert left_out(read(tmp_path, kept), present) == {
        ("A", 5, ""): "PHE lacks O",
        ("A", 9, ""): "XYZ is none of the twenty types",
    }


def test_the_same_atoms_from_every_format(data_folder, tmp_path):
    plain = read_atoms(data_folder / "3c4s_A_1.pdb")
    zipped = tmp_path / "x.cif.gz"
    zipped.write_bytes(gzip.compress((data_folder / "3c4s_A_1.cif").read_bytes()))
    for path in (data_folder / "3c4s_A_1.cif", zipped):
        np.testing.assert_allclose(read_atoms(path).coord, plain.coord, atol=1e-3)


def test_malformed_atoms_are_one_line(tmp_path):
    path = tmp_path / "broken.cif"
    path.write_text("data_x\nloop_\n_atom_site.id\n1\n")
    with pytest.raises(UserInputError, match=r"broken\.cif: its atoms beyond the backbone cannot be read"):
        read_atoms(path)
