"""Side chains of inputs: which atoms, under which names, and what of a file has no backbone that can be used."""

import gzip

import numpy as np
import pytest

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.input_structure import InputStructure, read_input
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.structure import read_backbone
from gm_multimodal.protein.structure_file import open_structure


@pytest.fixture
def lines(data_folder) -> list[str]:
    text = (data_folder / "3op9_A_6.pdb").read_text()
    return [line for line in text.splitlines() if line.startswith("ATOM")]


@pytest.fixture
def read(tmp_path):
    def read(lines: list[str]) -> InputStructure:
        path = tmp_path / "some.pdb"
        path.write_text("\n".join([*lines, "END", ""]))
        return read_input(path)

    return read


def edit(line: str, start: int, text: str) -> str:
    return line[:start] + text + line[start + len(text) :]


def of_residue(line: str, number: int) -> bool:
    return int(line[22:26]) == number


def is_side_chain(line: str) -> bool:
    return line[12:16].strip() not in ("N", "CA", "C", "O")


def test_heavy_atoms_beyond_the_backbone(data_folder):
    structure = read_input(data_folder / "3op9_A_6.pdb")
    atoms = open_structure(structure.path, side_chains=True).atoms(1)
    for k, item in enumerate(structure.ids):
        theirs = atoms[(atoms.res_id == item.number) & ~np.isin(atoms.atom_name, ["N", "CA", "C", "O", "OXT"])]
        assert sorted(structure.side_chains[k].names) == sorted(theirs.atom_name.tolist())


def test_selenomethionine_and_modified_residues_are_copied_as_the_plain_type(read, lines):
    """Residue 4 gets the atoms of MSE and residue 5 those of phosphoserine; hydrogens are left out."""
    changed = []
    for line in lines:
        if of_residue(line, 4) or of_residue(line, 5):
            if not is_side_chain(line):
                changed.append(edit(edit(line, 0, "HETATM"), 17, "MSE" if of_residue(line, 4) else "SEP"))
        else:
            changed.append(line)
    extra = {4: (" CB  C", "SE  SE"), 5: (" CB  C", " OG  O", " P   P", " HA  H")}
    for number, atoms in extra.items():
        [alpha] = [line for line in changed if of_residue(line, number) and line[12:16] == " CA "]
        place = changed.index(alpha) + 1
        changed[place:place] = [edit(edit(alpha, 12, item[:4]), 76, f"{item[4:].strip():>2}") for item in atoms]
    structure = read(changed)
    mse, sep = structure.side_chains[3], structure.side_chains[4]
    assert decode(structure.backbone.tokens)[3:5] == "MS"
    assert (mse.names, mse.elements) == (("CB", "SD"), ("C", "S"))
    assert (sep.names, sep.elements) == (("CB", "OG"), ("C", "O"))


@pytest.mark.parametrize("names", ["AB", "12"])
@pytest.mark.parametrize("fuller", [0, 1])
def test_of_two_side_chains_the_fuller_is_copied(read, lines, names, fuller):
    """Upon one backbone; the second alternative is moved by 1 Angstrom along x."""
    plain, doubled = read(lines), []
    for line in lines:
        if of_residue(line, 3) and is_side_chain(line):
            occupancies = ("  0.70", "  0.30") if fuller == 0 else ("  0.30", "  0.70")
            doubled.append(edit(edit(line, 16, names[0]), 54, occupancies[0]))
            moved = edit(line, 30, f"{float(line[30:38]) + 1:8.3f}")
            doubled.append(edit(edit(moved, 16, names[1]), 54, occupancies[1]))
        else:
            doubled.append(line)
    found, expected = read(doubled).side_chains[2], plain.side_chains[2]
    assert found.names == expected.names
    np.testing.assert_allclose((found.coordinates - expected.coordinates)[:, 0], fuller, atol=1e-3)


@pytest.mark.parametrize("names", ["AB", "12"])
def test_a_side_chain_is_of_the_alternative_whose_backbone_is_copied(read, lines, names):
    """The backbone of the second alternative is fuller, the first as a whole."""
    plain, doubled = read(lines), []
    for line in lines:
        if of_residue(line, 3):
            first, second = ("  1.00", "  0.10") if is_side_chain(line) else ("  0.40", "  0.60")
            doubled.append(edit(edit(line, 16, names[0]), 54, first))
            moved = edit(line, 30, f"{float(line[30:38]) + 1:8.3f}")
            doubled.append(edit(edit(moved, 16, names[1]), 54, second))
        else:
            doubled.append(line)
    found = read(doubled)
    moved = found.backbone.coordinates[2] - plain.backbone.coordinates[2]
    np.testing.assert_allclose(moved[:, 0], 0, atol=1e-3)
    moved = found.side_chains[2].coordinates - plain.side_chains[2].coordinates
    np.testing.assert_allclose(moved[:, 0], 0, atol=1e-3)


def test_a_side_chain_is_of_the_type_that_is_copied(read, lines):
    """Two types share a place, their atoms in turns."""
    mixed = []
    for line in lines:
        if of_residue(line, 3):
            mixed.append(edit(edit(edit(line, 16, "A"), 17, "TYR"), 54, "  0.60"))
            if not is_side_chain(line) or line[12:16] == " CB ":
                mixed.append(edit(edit(edit(line, 16, "B"), 17, "ALA"), 54, "  0.40"))
        else:
            mixed.append(line)
    structure = read(mixed)
    assert decode(structure.backbone.tokens)[2] == "Y"
    assert len(structure.side_chains[2].names) == sum(of_residue(line, 3) and is_side_chain(line) for line in lines)


def test_side_chains_move_no_backbone(data_folder, lines, read):
    """What prepare reads of a file is what design reads."""
    structure = read(lines)
    [chain] = read_backbone(structure.path)
    np.testing.assert_array_equal(chain.coordinates, structure.backbone.coordinates)
    assert chain.names == structure.ids


def test_what_is_left_out_is_named_with_the_reason(read, lines):
    kept = [line for line in lines if not (of_residue(line, 5) and line[12:16] == " N  ")]
    kept = [edit(line, 17, "XYZ") if of_residue(line, 9) else line for line in kept]
    calcium = edit(edit(edit(edit(lines[1], 0, "HETATM"), 12, "CA   "), 17, " CA A 900"), 76, "CA")
    kept = [line for line in kept if not (of_residue(line, 11) and line[12:16] == " CA ")]
    [note] = read([*kept, calcium]).notes
    assert note.number == 3
    assert note.text == "is read without A5 (PHE lacks N), A9 (XYZ is none of the twenty types), A11 (ARG lacks CA)"


def test_the_same_atoms_from_every_format(data_folder, tmp_path):
    plain = read_input(data_folder / "3c4s_A_1.pdb")
    zipped = tmp_path / "x.cif.gz"
    zipped.write_bytes(gzip.compress((data_folder / "3c4s_A_1.cif").read_bytes()))
    for path in (data_folder / "3c4s_A_1.cif", zipped):
        for k, found in read_input(path).side_chains.items():
            assert (found.names, found.elements) == (plain.side_chains[k].names, plain.side_chains[k].elements)
            np.testing.assert_allclose(found.coordinates, plain.side_chains[k].coordinates, atol=1e-3)


def test_elements_and_records_that_a_file_lacks_are_not_missed(data_folder, tmp_path, read, lines):
    """A PDB file that ends after the coordinates, mmCIF without `group_PDB` and `type_symbol`."""
    whole, bare = read(lines).side_chains, read([line[:54] for line in lines]).side_chains
    assert [item.elements for item in bare.values()] == [item.elements for item in whole.values()]
    text = (data_folder / "3c4s_A_1.cif").read_text().replace("_atom_site.group_PDB", "_atom_site.x")
    (tmp_path / "bare.cif").write_text(text.replace("_atom_site.type_symbol", "_atom_site.y"))
    whole, bare = (read_input(path).side_chains for path in (data_folder / "3c4s_A_1.cif", tmp_path / "bare.cif"))
    assert [item.elements for item in bare.values()] == [item.elements for item in whole.values()]


def test_malformed_atoms_are_one_line(tmp_path):
    path = tmp_path / "broken.cif"
    path.write_text("data_x\nloop_\n_atom_site.id\n1\n")
    with pytest.raises(UserInputError, match=r"broken\.cif cannot be read"):
        read_input(path)
