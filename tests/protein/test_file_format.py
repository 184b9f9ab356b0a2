"""The content of a structure file decides its format, whatever it is called."""

import codecs
import gzip

import numpy as np
import pytest
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import BinaryCIFFile, set_structure

from gm_multimodal.errors import StructureError
from gm_multimodal.protein.structure import read_backbone
from gm_multimodal.protein.structure_file import is_structure_name


@pytest.fixture
def contents(data_folder, tmp_path) -> dict[str, bytes]:
    """One chain in every format."""
    binary = BinaryCIFFile()
    set_structure(binary, PDBFile.read(data_folder / "3c4s_A_1.pdb").get_structure(model=1))
    binary.write(tmp_path / "made.bcif")
    plain = {kind: (data_folder / f"3c4s_A_1.{kind}").read_bytes() for kind in ("pdb", "cif")}
    return {**plain, "bcif": (tmp_path / "made.bcif").read_bytes()}


@pytest.mark.parametrize(
    "name", ["a.pdb", "a.ent", "a.cif", "a.mmcif.gz", "a.bcif", "a.pdb.gz", "a.pdb1", "a.pdb12.gz"]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_any_content_is_read_under_any_name(contents, tmp_path, name, pack):
    expected = None
    for content in contents.values():
        (tmp_path / name).write_bytes(pack(content))
        [chain] = read_backbone(tmp_path / name)
        expected = chain if expected is None else expected
        np.testing.assert_allclose(chain.coordinates, expected.coordinates, atol=1e-5)


@pytest.mark.parametrize("kind", ["pdb", "cif"])
def test_marks_and_widths_of_letters_hide_no_residue(contents, data_folder, tmp_path, kind):
    [plain] = read_backbone(data_folder / "3c4s_A_1.pdb")
    text = contents[kind].decode()
    atoms = "".join(line for line in text.splitlines(keepends=True) if kind == "cif" or line.startswith("ATOM"))
    for content in (
        codecs.BOM_UTF8 + atoms.encode(),
        codecs.BOM_UTF16_LE + atoms.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + atoms.encode("utf-16-be"),
        atoms.encode("utf-16-le"),
        atoms.encode("utf-16-be"),
    ):
        (tmp_path / "a.pdb").write_bytes(content)
        [chain] = read_backbone(tmp_path / "a.pdb")
        np.testing.assert_allclose(chain.coordinates, plain.coordinates, atol=1e-5)


def test_a_compressed_file_that_ends_too_early_is_called_truncated(contents, tmp_path):
    (tmp_path / "a.pdb").write_bytes(gzip.compress(contents["pdb"])[:-200])
    with pytest.raises(StructureError, match="truncated"):
        read_backbone(tmp_path / "a.pdb")


def test_names_of_assemblies_are_names_of_structures():
    assert all(map(is_structure_name, ("1abc.pdb1", "1ABC.PDB2.GZ", "1abc.cif")))
    assert not any(map(is_structure_name, ("1abc.pdbx", "1abc.pdb1.txt")))
