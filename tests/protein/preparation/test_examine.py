import gzip

import numpy as np
import pytest

from gm_multimodal.protein.metrics.secondary_structure import secondary_structure, shares
from gm_multimodal.protein.preparation.examine import broken_share, examine
from gm_multimodal.protein.preparation.sources import Source
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.structure import read_backbone


@pytest.fixture
def examined(tmp_path, criteria):
    def run(lines: list[str], name: str = "awkward.pdb", chain: str | None = None, **changes):
        path = tmp_path / name
        path.write_text("\n".join([*lines, "END"]) + "\n")
        return examine((Source(path, name, chain), criteria(**changes)))

    return run


def edit(line: str, start: int, text: str) -> str:
    return line[:start] + text + line[start + len(text) :]


def number(line: str) -> int:
    return int(line[22:26])


def without(lines: list[str], first: int, last: int) -> list[str]:
    return [line for line in lines if not first <= number(line) <= last]


def reasons(outcome) -> list[tuple[str, float | None]]:
    return [(rejection.reason, rejection.number) for rejection in outcome.rejected]


def test_a_whole_chain_is_one_row(examined, lines, data_folder):
    outcome = examined(lines)
    assert not outcome.rejected
    [row] = outcome.accepted
    [chain] = read_backbone(data_folder / "3op9_A_6.pdb")
    assert (row.id, row.source, row.chain, row.model) == ("awkward_A_1", "awkward.pdb", "A", 1)
    assert decode(row.backbone.tokens) == decode(chain.tokens)
    np.testing.assert_array_equal(row.backbone.coordinates, chain.coordinates)
    np.testing.assert_array_equal(row.backbone.position, np.arange(69))
    assert row.shares == shares(secondary_structure(chain))


def test_gaps_split_mark_or_reject(examined, lines):
    gapped = without(lines, 30, 33)
    first, second = examined(gapped).accepted
    assert (first.id, len(first.backbone)) == ("awkward_A_1", 29)
    assert (second.id, len(second.backbone)) == ("awkward_A_34", 36)
    [row] = examined(gapped, gaps="mark").accepted
    assert len(row.backbone) == 65
    assert np.flatnonzero(np.diff(row.backbone.position) != 1).tolist() == [28]
    assert row.backbone.position[29] - row.backbone.position[28] == 5
    assert reasons(examined(gapped, gaps="reject")) == [("gaps", 1)]


def test_a_gap_that_the_numbers_hide_is_seen_in_the_coordinates(examined, lines):
    hidden = without(lines, 30, 33)
    hidden = [edit(line, 22, f"{number(line) - 4:4d}") if number(line) > 33 else line for line in hidden]
    assert [len(row.backbone) for row in examined(hidden).accepted] == [29, 36]
    [row] = examined(hidden, gaps="mark").accepted
    assert row.backbone.position[29] - row.backbone.position[28] == 2


def test_numbers_that_jump_and_insertion_codes_are_no_gaps(examined, lines):
    jumped = [edit(line, 22, f"{number(line) + 100:4d}") if number(line) > 33 else line for line in lines]
    jumped = [edit(line, 22, "  10A") if number(line) == 11 else line for line in jumped]
    [row] = examined(jumped).accepted
    assert len(row.backbone) == 69
    np.testing.assert_array_equal(row.backbone.position, np.arange(69))
    assert row.backbone.names[10].insertion_code == "A"
    assert row.backbone.numbers[[9, 10, 11]].tolist() == [10, 10, 12]


def test_chains_are_chosen(examined, lines):
    cut = [edit(line, 21, "B") if number(line) > 29 else line for line in lines]
    assert [row.chain for row in examined(cut).accepted] == ["A", "B"]
    longest = examined(cut, chains="longest")
    assert [row.chain for row in longest.accepted] == ["B"]
    assert reasons(longest) == [("chain not asked for", 29)]
    assert [row.chain for row in examined(cut, chains="A, X").accepted] == ["A"]
    assert ("no such chain", None) in reasons(examined(cut, chains="A, X"))
    assert [row.chain for row in examined(cut, chain="A").accepted] == ["A"]


def test_models_are_first_or_all(examined, lines):
    atoms = [line for line in lines if line.startswith("ATOM")]
    models = ["MODEL        1", *atoms, "ENDMDL", "MODEL        2", *atoms, "ENDMDL"]
    assert [row.id for row in examined(models).accepted] == ["awkward_A_1"]
    assert [row.id for row in examined(models, models="all").accepted] == ["awkward_A_1_m1", "awkward_A_1_m2"]


def test_filters_name_the_figure_that_decided(examined, lines):
    assert reasons(examined(lines, min_length=70)) == [("shorter than 70 residues", 69)]
    assert reasons(examined(lines, max_length=60)) == [("longer than 60 residues", 69)]
    [(reason, figure)] = reasons(examined(lines, max_gyration_ratio=0.5))
    assert reason.startswith("radius of gyration above 0.5 x") and 0.9 < figure < 1.3
    [(reason, figure)] = reasons(examined(lines, max_coil=0.1))
    assert reason == "coil share above 0.1" and 0.1 < figure < 0.6
    worse = ["REMARK   2 RESOLUTION.    4.20 ANGSTROMS.", *lines]
    assert reasons(examined(worse, max_resolution=3.5)) == [("resolution above 3.5 Angstrom", 4.2)]
    assert len(examined(worse).accepted) == 1


def test_confidence_counts_in_predictions_only(examined, lines):
    low = [edit(line, 60, " 55.00") for line in lines if line.startswith("ATOM")]
    title = "TITLE     ALPHAFOLD MONOMER V2.0 PREDICTION FOR SOMETHING (P12345)"
    assert reasons(examined([title, *low])) == [("mean pLDDT below 70", 55.0)]
    assert examined(low).accepted[0].plddt is None
    assert reasons(examined(low, predicted="true")) == [("mean pLDDT below 70", 55.0)]
    assert examined([title, *low], predicted="false").accepted[0].plddt is None
    shares = [edit(line, 60, "  0.90") for line in low]
    assert examined([title, *shares]).accepted[0].plddt == pytest.approx(90.0, abs=1e-3)


def test_broken_geometry_is_refused(examined, lines, build_backbone):
    assert broken_share(build_backbone(50, -57.0, -47.0)) == 0.0
    moved = [edit(line, 30, f"{float(line[30:38]) + 0.8:8.3f}") if line[12:16] == " O  " else line for line in lines]
    [(reason, figure)] = reasons(examined(moved))
    assert reason == "broken geometry" and figure > 0.5
    chain = [line for line in lines if not line.startswith("TER")]
    twice = [*chain, *(edit(edit(line, 21, "A"), 22, f"{number(line) + 200:4d}") for line in chain)]
    assert ("broken geometry", 1.0) in reasons(examined(twice, gaps="mark"))


def test_duplicates_and_figures_that_are_none_refuse_the_chain(examined, lines):
    assert reasons(examined([*lines[:-1], *lines[:-1]]))[0] == ("residues with duplicate atoms", 69)
    broken = [edit(line, 30, "     nan") if number(line) == 7 else line for line in lines]
    assert ("residues whose coordinates are not numbers", 1) in reasons(examined(broken))


def test_nucleic_acids_and_traces_say_so(examined, lines):
    sugars = [edit(edit(line, 12, " C1'"), 17, " DA") for line in lines if line[12:16] == " CA "]
    assert reasons(examined(sugars)) == [("nucleic acid", 69)]
    trace = [line for line in lines if line[12:16] == " CA "]
    assert reasons(examined(trace)) == [("only residues without a complete backbone", 69)]


def test_a_name_may_hold_anything(tmp_path, lines, criteria):
    path = tmp_path / "ünd.so, weiter.PDB.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    [row] = examine((Source(path, f"unter/{path.name}"), criteria())).accepted
    assert row.id == "unter_ünd.so, weiter_A_1"
