import gzip
from pathlib import Path

import msgpack
import numpy as np
import pandas as pd
import pytest
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import (
    BinaryCIFBlock,
    BinaryCIFCategory,
    BinaryCIFColumn,
    BinaryCIFData,
    BinaryCIFFile,
    ByteArrayEncoding,
    RunLengthEncoding,
    set_structure,
)

from gm_multimodal.errors import StructureError, UserInputError
from gm_multimodal.protein.metrics.geometry import ca_ca_validity
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.structure import DUPLICATES, INCOMPLETE, NOT_FINITE, UNKNOWN, chains_of, read_backbone
from gm_multimodal.protein.structure_file import open_structure

NAMES = ["2zig_B_218", "3c4s_A_1", "3op9_A_6", "3w0e_A_1", "4kmf_A_1"]
# test files of Biopython, biotite and gemmi, for whoever has put them there
AWKWARD = Path(__file__).parents[2].parent / "shared" / "data" / "structures"


@pytest.fixture
def lines(data_folder) -> list[str]:
    """The atoms of one real chain, for tests to make awkward."""
    text = (data_folder / "3op9_A_6.pdb").read_text()
    return [line for line in text.splitlines() if line.startswith(("ATOM", "TER"))]


@pytest.fixture
def read_lines(tmp_path):
    def read(lines: list[str], **options):
        path = tmp_path / "awkward.pdb"
        path.write_text("\n".join([*lines, "END"]) + "\n")
        return read_backbone(path, **options)

    return read


@pytest.fixture
def read_faults(tmp_path, read_lines):
    """Read all chains of some lines with what is wrong with them."""

    def read(lines: list[str]):
        read_lines(lines)
        return chains_of(open_structure(tmp_path / "awkward.pdb"), 1)

    return read


def edit(line: str, start: int, text: str) -> str:
    return line[:start] + text + line[start + len(text) :]


def of_residue(line: str, number: int) -> bool:
    return int(line[22:26]) == number


@pytest.mark.parametrize("name", NAMES)
def test_fixtures_hold_the_chains_of_the_dataset(data_folder, small_dataset, name):
    row = pd.read_parquet(small_dataset).set_index("id").loc[name]
    [chain] = read_backbone(data_folder / f"{name}.pdb")
    assert chain.names[0].chain == "A"
    assert len(chain) == row.length
    assert decode(chain.tokens) == row.sequence
    np.testing.assert_array_equal(chain.numbers, np.arange(1, row.length + 1))
    assert {name.insertion_code for name in chain.names} == {""}
    np.testing.assert_allclose(chain.coordinates.ravel(), row.coordinates, atol=1e-3)


def test_every_format_gives_the_same_chain(data_folder, tmp_path):
    atoms = PDBFile.read(data_folder / "3c4s_A_1.pdb").get_structure(model=1)
    binary = BinaryCIFFile()
    set_structure(binary, atoms)
    binary.write(tmp_path / "chain.bcif")
    paths = [data_folder / "3c4s_A_1.pdb", data_folder / "3c4s_A_1.cif", tmp_path / "chain.bcif"]
    for path in list(paths):
        paths.append(tmp_path / f"{path.name}.gz")
        paths[-1].write_bytes(gzip.compress(path.read_bytes()))
    chains = [read_backbone(path) for path in paths]
    for [chain] in chains:
        np.testing.assert_allclose(chain.coordinates, chains[0][0].coordinates, atol=1e-5)
        np.testing.assert_array_equal(chain.tokens, chains[0][0].tokens)


def test_of_alternative_locations_the_fullest_counts(read_lines, lines):
    doubled = []
    for line in lines:
        if line.startswith("ATOM") and of_residue(line, 3):
            doubled.append(edit(edit(line, 16, "A"), 54, "  0.30"))
            doubled.append(edit(edit(edit(line, 16, "B"), 54, "  0.70"), 30, f"{float(line[30:38]) + 1:8.3f}"))
        else:
            doubled.append(line)
    [plain], [chain] = read_lines(lines), read_lines(doubled)
    assert len(chain) == len(plain)
    np.testing.assert_allclose((chain.coordinates - plain.coordinates)[2, :, 0], 1.0, atol=1e-4)
    np.testing.assert_array_equal(np.delete(chain.coordinates, 2, 0), np.delete(plain.coordinates, 2, 0))


@pytest.mark.parametrize(("occupancies", "expected"), [(("0.40", "0.60"), "W"), (("0.60", "0.40"), "Y")])
def test_a_position_with_two_residue_types_is_one_residue(read_lines, lines, occupancies, expected):
    third = [line for line in lines if of_residue(line, 3)]
    first = [edit(edit(edit(line, 16, "A"), 56, occupancies[0]), 17, "TYR") for line in third]
    second = [edit(edit(edit(line, 16, "B"), 56, occupancies[1]), 17, "TRP") for line in third]
    start = lines.index(third[0])
    [plain], [chain] = read_lines(lines), read_lines(lines[:start] + first + second + lines[start + len(third) :])
    assert len(chain) == len(plain)
    assert decode(chain.tokens)[2] == expected


def test_selenomethionine_reads_as_methionine_and_ligands_are_left_out(read_lines, lines):
    changed = [edit(edit(line, 0, "HETATM"), 17, "MSE") if of_residue(line, 4) else line for line in lines]
    ligand = [edit(edit(line, 0, "HETATM"), 22, " 900") for line in lines if of_residue(line, 1)]
    water = [edit(edit(edit(lines[0], 0, "HETATM"), 12, " O  HOH"), 22, " 901")]
    [plain], [chain] = read_lines(lines), read_lines(changed + ligand + water)
    assert decode(chain.tokens)[3] == "M"
    np.testing.assert_array_equal(chain.numbers, plain.numbers)


def test_residues_without_a_complete_backbone_are_left_out(read_faults, lines):
    kept = [line for line in lines if not (of_residue(line, 5) and line[12:16] == " CA ") and not of_residue(line, 9)]
    kept = [edit(line, 17, "UNK") if of_residue(line, 11) else line for line in kept]
    [read] = read_faults(kept)
    chain = read.backbone
    assert set(range(1, 13)) - set(chain.numbers) == {5, 9, 11}
    assert read.faults == {INCOMPLETE: 1, UNKNOWN: 1}
    assert ca_ca_validity(chain.coordinates) < 1.0


def test_a_missing_oxygen_is_rebuilt_where_the_next_residue_tells_it(read_lines, lines):
    [plain] = read_lines(lines)
    [chain] = read_lines([line for line in lines if line[12:16] != " O  "])
    assert decode(chain.tokens) == decode(plain.tokens)[:-1]
    assert np.linalg.norm(chain.coordinates - plain.coordinates[:-1], axis=-1).max() < 0.2


@pytest.mark.parametrize(("name", "letter"), [("SEP", "S"), ("HYP", "P"), ("MLY", "K"), ("CSO", "C"), ("HIE", "H")])
def test_modified_residues_read_as_their_parents(read_lines, lines, name, letter):
    changed = [edit(edit(line, 0, "HETATM"), 17, name) if of_residue(line, 11) else line for line in lines]
    [chain] = read_lines(changed)
    assert len(chain) == 69
    assert decode(chain.tokens)[10] == letter


@pytest.mark.parametrize("name", ["DAL", "CRO", "UNK"])
def test_what_has_no_parent_among_the_twenty_leaves_a_gap(read_faults, lines, name):
    [chain] = read_faults([edit(line, 17, name) if of_residue(line, 11) else line for line in lines])
    assert len(chain) == 68
    assert chain.faults == {UNKNOWN: 1}


def test_atoms_of_two_residue_types_at_one_position_may_alternate(read_faults, lines):
    mixed = []
    for line in lines:
        if line.startswith("ATOM") and of_residue(line, 3):
            mixed.append(edit(edit(edit(line, 16, "A"), 17, "TYR"), 54, "  0.40"))
            mixed.append(edit(edit(edit(line, 16, "B"), 17, "TRP"), 54, "  0.60"))
        else:
            mixed.append(line)
    [chain] = read_faults(mixed)
    assert len(chain) == 69
    assert decode(chain.backbone.tokens)[2] == "W"
    assert not chain.faults


def test_duplicate_atoms_and_coordinates_that_are_not_numbers_are_counted(read_faults, lines):
    [chain] = read_faults([line for line in lines for _ in range(1 + of_residue(line, 4))])
    assert chain.faults == {DUPLICATES: 1}
    broken = [edit(line, 30, "     nan") if of_residue(line, 7) and line[12:16] == " CA " else line for line in lines]
    [chain] = read_faults(broken)
    assert chain.faults == {NOT_FINITE: 1}
    assert len(chain) == 68


def test_blank_occupancies_and_b_factors_are_allowed(read_lines, lines):
    [plain], [chain] = read_lines(lines), read_lines([line[:54] for line in lines])
    np.testing.assert_array_equal(chain.coordinates, plain.coordinates)


def test_a_line_that_is_cut_off_is_an_error(read_lines, lines):
    with pytest.raises(StructureError, match=r"cannot be read: line 6\d is cut off"):
        read_lines([*lines[:60], lines[60][:50]])


def test_headers_tell_resolution_and_prediction(tmp_path, lines):
    def opened(*header: str):
        path = tmp_path / "headed.pdb"
        path.write_text("\n".join([*header, *lines]))
        return open_structure(path)

    experiment = opened("EXPDTA    X-RAY DIFFRACTION", "REMARK   2 RESOLUTION.    1.85 ANGSTROMS.")
    assert (experiment.resolution, experiment.is_predicted) == (1.85, False)
    predicted = opened("TITLE     ALPHAFOLD MONOMER V2.0 PREDICTION FOR SOMETHING (P12345)")
    assert (predicted.resolution, predicted.is_predicted) == (None, True)
    assert not opened("TITLE     DESIGNED WITH HELP FROM ALPHAFOLD", "EXPDTA    X-RAY DIFFRACTION").is_predicted
    assert not opened().is_predicted


def test_sizes_are_bounded(tmp_path, data_folder):
    path = tmp_path / "bomb.pdb.gz"
    path.write_bytes(gzip.compress(bytes(3_000_000)))
    with pytest.raises(StructureError, match="expands to more than 2 MB"):
        open_structure(path, max_bytes=2_000_000)
    with pytest.raises(StructureError, match=r"is larger than 0\.01 MB"):
        open_structure(data_folder / "3op9_A_6.pdb", max_bytes=10_000)


def test_a_binary_cif_that_announces_gigabytes_is_refused(tmp_path):
    data = BinaryCIFData(np.ones(4, dtype=np.int32), [RunLengthEncoding(), ByteArrayEncoding()])
    block = BinaryCIFBlock({"atom_site": BinaryCIFCategory({"pdbx_PDB_model_num": BinaryCIFColumn(data)})})
    content = BinaryCIFFile({"bomb": block}).serialize()
    encoding = content["dataBlocks"][0]["categories"][0]["columns"][0]["data"]["encoding"][0]
    assert encoding["srcSize"] == 4
    encoding["srcSize"] = 2**31 - 1
    (tmp_path / "bomb.bcif").write_bytes(msgpack.packb(content))
    with pytest.raises(StructureError, match="announces 2147483647 rows"):
        open_structure(tmp_path / "bomb.bcif")


def test_a_web_page_is_told_apart(tmp_path):
    (tmp_path / "page.pdb").write_text("\n<!DOCTYPE html><html>Not found</html>")
    with pytest.raises(StructureError, match="is a web page") as caught:
        read_backbone(tmp_path / "page.pdb")
    assert caught.value.reason == "is a web page or XML, not a structure"


def test_insertion_codes_negative_numbers_and_chains_are_kept(read_lines, lines):
    changed = [edit(line, 22, "  -1 ") if of_residue(line, 1) else line for line in lines]
    changed = [edit(line, 22, "   2A") if of_residue(line, 3) else line for line in changed]
    changed = [edit(line, 21, "B") if int(line[22:26]) > 30 else line for line in changed]
    first, second = read_lines(changed)
    assert (first.names[0].chain, second.names[0].chain) == ("A", "B")
    assert list(first.numbers[:4]) == [-1, 2, 2, 4]
    assert [name.insertion_code for name in first.names[:4]] == ["", "", "A", ""]
    assert second.numbers[0] == 31
    assert len(first) + len(second) == 69


def test_one_model_is_read(read_lines, lines):
    moved = [edit(line, 30, f"{float(line[30:38]) + 1:8.3f}") for line in lines if line.startswith("ATOM")]
    models = ["MODEL        1", *lines, "ENDMDL", "MODEL        2", *moved, "ENDMDL"]
    [first], [second] = read_lines(models), read_lines(models, model=2)
    np.testing.assert_allclose((second.coordinates - first.coordinates)[..., 0], 1.0, atol=1e-4)
    with pytest.raises(UserInputError, match=r"cannot be read \(model 3\)"):
        read_lines(models, model=3)


def test_what_holds_no_protein_is_refused(tmp_path, read_lines, lines):
    with pytest.raises(UserInputError, match=r"absent\.pdb does not exist"):
        read_backbone(tmp_path / "absent.pdb")
    with pytest.raises(UserInputError, match="its name must end in one of"):
        read_backbone(tmp_path / "chain.xyz")
    with pytest.raises(UserInputError, match="its name must end in one of"):
        read_backbone(tmp_path / "chain.gz")
    with pytest.raises(UserInputError, match="has no protein chain"):
        read_lines([line for line in lines if line[12:16] == " CA "])
    for name, content in [
        ("a.cif", b"no structure"),
        ("b.bcif", b"\x93\x01"),
        ("c.pdb.gz", b"not gzip"),
        ("d.pdb", b""),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserInputError, match=name):
            read_backbone(tmp_path / name)


@pytest.mark.skipif(not AWKWARD.is_dir(), reason="needs awkward structure files, which are not part of the project")
@pytest.mark.parametrize(
    ("file", "lengths"),
    [
        ("1A8O.cif", {"A": 70}),  # selenomethionines
        ("1A8O.pdb", {"A": 70}),
        ("4ZHL.cif", {"U": 247, "P": 10}),  # insertion codes
        ("1igy.pdb", {"A": 213, "B": 434, "C": 213, "D": 434}),
        ("1igy.bcif", {"A": 213, "B": 434, "C": 213, "D": 434}),
        ("4i39.bcif", {"A": 125}),  # alternative locations everywhere
        ("3jqh.bcif.gz", {"A": 23}),  # alternative locations and gaps
        ("1o1z.pdb", {"A": 226}),  # negative numbers
        ("1l2y.cif", {"A": 20}),  # models
        ("1LCD.cif", {"A": 51}),  # with DNA
    ],
)
def test_awkward_real_files(file, lengths):
    assert {chain.names[0].chain: len(chain) for chain in read_backbone(AWKWARD / file)} == lengths


@pytest.mark.skipif(not AWKWARD.is_dir(), reason="needs awkward structure files, which are not part of the project")
@pytest.mark.parametrize("file", ["1lzh.pdb.gz", "4p5j.pdb", "4gxy.bcif", "1SSU_mod.pdb"])
def test_real_files_without_a_complete_protein_backbone(file):
    with pytest.raises(UserInputError, match="has no protein chain"):
        read_backbone(AWKWARD / file)


@pytest.mark.parametrize("name", ["\x1b[31m", "A\n", "\u202eA", "\x00A"])
@pytest.mark.parametrize("column", ["auth_asym_id", "auth_comp_id", "pdbx_PDB_ins_code"])
def test_names_that_cannot_be_printed_are_refused(tmp_path, data_folder, name, column):
    atoms = PDBFile.read(data_folder / "3op9_A_6.pdb").get_structure(model=1)
    block = BinaryCIFBlock()
    set_structure(block, atoms)
    values = block["atom_site"][column].as_array(str) if column in block["atom_site"] else [""] * len(atoms)
    block["atom_site"][column] = np.array([name, *values[1:]], dtype="U9")
    BinaryCIFFile({"x": block}).write(tmp_path / "x.bcif")
    with pytest.raises(StructureError, match=r"has the (chain|residue|insertion) name .*, which cannot be printed"):
        read_backbone(tmp_path / "x.bcif")


def test_control_characters_in_the_columns_of_a_pdb_file_are_refused(lines, read_lines):
    with pytest.raises(StructureError, match=r"has the chain name \\x1b, which cannot be printed"):
        read_lines([f"{line[:21]}\x1b{line[22:]}" for line in lines])
