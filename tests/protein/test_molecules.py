"""What separates two molecules makes two chains, and what does not leaves one."""

import numpy as np
import pytest

from gm_multimodal.protein.structure import Chain, chains_of
from gm_multimodal.protein.structure_file import open_structure

LENGTH = 8


def edit(line: str, start: int, text: str) -> str:
    return line[:start] + text + line[start + len(text) :]


@pytest.fixture
def residues(data_folder) -> list[str]:
    """The first residues of a real chain."""
    lines = (data_folder / "3op9_A_6.pdb").read_text().splitlines()
    return [line for line in lines if line.startswith("ATOM") and int(line[22:26]) <= LENGTH]


@pytest.fixture
def read(tmp_path):
    def call(*lines: str, side_chains: bool = False) -> list[Chain]:
        path = tmp_path / "some.pdb"
        path.write_text("\n".join([*lines, "END"]) + "\n")
        return chains_of(open_structure(path, side_chains=side_chains), 1)

    return call


def moved(lines: list[str], angstrom: float = 60.0, number: int = 0, chain: str | None = None) -> list[str]:
    """The same residues elsewhere, under numbers and a chain name of their own."""
    lines = [edit(line, 30, f"{float(line[30:38]) + angstrom:8.3f}") for line in lines]
    lines = [edit(line, 22, f"{int(line[22:26]) + number:4d}") for line in lines]
    return lines if chain is None else [edit(line, 20, f"{chain:>2}") for line in lines]


def shape(chains: list[Chain]) -> list[tuple[str, int]]:
    return [(chain.id, len(chain)) for chain in chains if len(chain)]


@pytest.mark.parametrize("name", ["A", ""])
@pytest.mark.parametrize("side_chains", [False, True])
def test_a_ter_record_a_falling_number_and_a_segment_make_two_chains(read, residues, name, side_chains):
    first, second = moved(residues, 0.0, chain=name), moved(residues, chain=name)
    higher = moved(residues, number=20, chain=name)
    for lines in (
        [*first, "TER", *second],
        [*first, "TER", *higher],  # the record alone
        [*first, *second],  # the numbers alone
        [*moved(residues, 0.0, 20, name), *second],  # which fall, and none comes again
        [*(edit(line, 72, "PRA ") for line in first), *(edit(line, 72, "PRB ") for line in higher)],
        [*first, *moved(residues, number=LENGTH - 1, chain=name)],  # the last number is the first of the next
    ):
        chains = read(*lines, side_chains=side_chains)
        assert shape(chains) == [("A", LENGTH), ("B", LENGTH)]
        assert {chain.name_in_file for chain in chains} == {name}
        distance = chains[1].backbone.coordinates - chains[0].backbone.coordinates
        np.testing.assert_allclose(distance, np.broadcast_to([60.0, 0, 0], distance.shape), atol=2e-3)


def test_a_new_name_is_free(read, residues):
    lines = [*residues, "TER", *moved(residues), "TER", *moved(residues, 120.0, chain="B"), "TER"]
    assert shape(read(*lines)) == [("A", LENGTH), ("C", LENGTH), ("B", LENGTH)]


def test_water_and_ligands_behind_the_end_are_no_molecules(read, residues):
    ligand = [edit(line, 0, "HETATM") for line in moved(residues, 30.0, 100) if int(line[22:26]) == 101]
    water = [edit(edit(edit(residues[0], 0, "ATOM  "), 12, " O   HOH"), 22, "   1")]
    assert shape(read(*residues, "TER", *ligand, *water)) == [("A", LENGTH)]


def test_bonds_outweigh_numbers_and_records(read, residues):
    head = [line for line in residues if int(line[22:26]) <= 4]
    tail = [line for line in residues if int(line[22:26]) > 4]
    assert shape(read(*head, "TER", *tail)) == [("A", LENGTH)]
    assert shape(read(*moved(head, 0.0, 1000), *tail)) == [("A", LENGTH)]  # of a fusion protein


def test_alternatives_and_duplicates_are_no_second_molecule(read, residues):
    first = [edit(line, 16, "A") for line in residues]
    second = [edit(line, 16, "B") for line in moved(residues, 0.5)]
    assert shape(read(*first, *second)) == [("A", LENGTH)]
    assert shape(read(*residues, *residues)) == [("A", LENGTH)]


def test_names_of_two_letters_stand_before_the_column_of_one(read, residues):
    lines = [*moved(residues, 0.0, chain="AA"), "TER", *moved(residues, chain="BA")]
    assert shape(read(*lines)) == [("AA", LENGTH), ("BA", LENGTH)]


def test_a_residue_name_of_four_letters_is_no_chain(read, residues):
    water = [edit(edit(residues[0], 12, " OH2 TIP3"), 22, " 900")]
    assert [chain.id for chain in read(*residues, *water)] == ["A"]
