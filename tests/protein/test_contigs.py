"""Contigs against an independent checker, and what is refused."""

import re

import numpy as np
import pytest

from gm_multimodal.errors import UserInputError
from gm_multimodal.noise import DesignNoise
from gm_multimodal.protein.backbone import ResidueId, joined
from gm_multimodal.protein.contigs import parse_contig
from gm_multimodal.protein.design_tasks import Motif
from gm_multimodal.protein.input_structure import InputStructure, read_input
from gm_multimodal.protein.structure import named


def synthetic(path, chains: dict[str, list[tuple[int, str]]]) -> InputStructure:
    """Straight chains, bonded where numbers follow each other; residue k of all stands at x = 3.8 k."""
    made, k = [], 0
    for name, residues in chains.items():
        x = np.zeros((len(residues), 4, 3), dtype=np.float32)
        for i in range(len(residues)):
            if i and residues[i][0] > residues[i - 1][0] + 1:
                k += 5
            x[i, :, 0] = 3.8 * k + np.array([-1.3, 0.0, 1.4, 1.5])
            k += 1
        labels = tuple(ResidueId(name, number, code) for number, code in residues)
        made.append(named(x, np.arange(len(residues)) % 20, labels))
        k += 10
    return InputStructure(path, joined(made))


@pytest.fixture
def structure(tmp_path) -> InputStructure:
    """A 1-40 without 21-25, with 10A and 10B; B -3 to 12; chain 7 of digits."""
    a = [(n, "") for n in range(1, 11)] + [(10, "A"), (10, "B")] + [(n, "") for n in [*range(11, 21), *range(26, 41)]]
    chains = {"A": a, "B": [(n, "") for n in range(-3, 13)], "7": [(n, "") for n in range(1, 6)]}
    return synthetic(tmp_path / "made.pdb", chains)


def naive(text: str, structure: InputStructure) -> list[list[tuple[int, int] | list[str]]]:
    """Read a contig in another way: by names alone, looking residues up one by one."""
    names = [str(item) if item.chain.isalpha() else f"{item.chain}:{item.number}" for item in structure.ids]
    chains = [[]]
    for token in text.replace("/", ",").replace(" ", ",").split(","):
        if token == "":
            continue
        if token == "0":
            chains.append([])
        elif token.replace("-", "", 1).isdigit():
            low, _, high = token.partition("-")
            chains[-1].append((int(low), int(high or low)))
        elif token in ("A", "B"):
            chains[-1].append([n for n in names if n.startswith(token)])
        else:
            head = "7:" if ":" in token else token[0]
            body = token.removeprefix(head)
            low, high = re.fullmatch(r"(-?\d+[AB]?)(?:-(-?\d+[AB]?))?", body).groups()
            first, last = names.index(head + low), names.index(head + (high or low))
            chains[-1].append(names[first : last + 1])
    return chains


def random_contig(rng: np.random.Generator) -> str:
    """One to three chains of free pieces and disjoint ranges of the structure above, in a random spelling."""
    pool = ["A1-5", "A6-10B", "A10A", "A11-20", "A26-30", "A31", "A32-40", "B-3-2", "B3", "B4-12", "7:1-3", "7:4"]
    if rng.random() < 0.5:
        pool.remove("A10A")
    else:
        pool[pool.index("A6-10B")] = "A6-10"
    chosen = list(rng.permutation(pool)[: rng.integers(1, 7)])
    cuts = sorted(rng.integers(0, len(chosen) + 1, rng.integers(0, 3)))
    text = ""
    for part in np.split(np.array(chosen, dtype=object), cuts):
        pieces = []
        for item in part:
            if rng.random() < 0.7:
                low = int(rng.integers(0, 12))
                pieces.append(f"{low}-{low + int(rng.integers(1, 20))}" if rng.random() < 0.7 else str(low + 1))
            pieces.append(item)
        if pieces:
            text += ("" if not text else ["/0,", "/0 ", ",/0,"][rng.integers(3)]) + [",", "/"][rng.integers(2)].join(
                pieces
            )
    return text


def test_a_thousand_random_contigs(structure):
    """Lengths, order, positions and mapping, as a reader by names alone has them."""
    rng = np.random.default_rng(0)
    names = [str(item) if item.chain.isalpha() else f"{item.chain}:{item.number}" for item in structure.ids]
    for number in range(1000):
        text = random_contig(rng)
        expected = naive(text, structure)
        low = sum(p[0] if isinstance(p, tuple) else len(p) for chain in expected for p in chain)
        high = sum(p[1] if isinstance(p, tuple) else len(p) for chain in expected for p in chain)
        total = None
        if rng.random() < 0.5:
            a, b = sorted(rng.integers(low, high + 1, 2).tolist())
            total = (a, b)
        contig = parse_contig(text, structure, total)
        assert (contig.shortest, contig.longest) == (total or (low, high))
        blueprint = Motif(structure, contig, 3).blueprint(number)
        slices = blueprint.backbone.chain_slices()
        assert len(slices) == len(expected)
        assert contig.shortest <= len(blueprint) <= contig.longest
        for part, pieces in zip(slices, expected, strict=True):
            found = [blueprint.source[k] for k in range(part.start, part.stop)]
            pattern = "".join(
                f"(?:-){{{p[0]},{p[1]}}}" if isinstance(p, tuple) else "".join(f"<{n}>" for n in p) for p in pieces
            )
            shown = "".join(
                "-" if s is None else f"<{s}>" if s.chain.isalpha() else f"<{s.chain}:{s.number}>" for s in found
            )
            assert re.fullmatch(pattern, shown), (text, shown)
            assert all(np.diff(blueprint.backbone.position[part]) >= 1)
        for k, source in enumerate(blueprint.source):
            assert blueprint.structure_given[k] == (source is not None) == blueprint.sequence_given[k]
            if source is not None:
                place = names.index(str(source) if source.chain.isalpha() else f"{source.chain}:{source.number}")
                assert (blueprint.backbone.coordinates[k] == structure.backbone.coordinates[place]).all()
                assert blueprint.backbone.tokens[k] == structure.backbone.tokens[place]
        assert len(set(blueprint.backbone.names)) == len(blueprint)


def test_lengths_are_uniform_among_those_that_the_total_allows(structure):
    """0-3 and 0-3 with a sum of 3 or 4: seven pairs; 7,000 draws, each within 4 standard errors of 1,000."""
    contig = parse_contig("0-3,A1-5,0-3", structure, (8, 9))
    counts: dict[tuple[int, int], int] = {}
    for index in range(7000):
        ((first, _, last),) = contig.draw(DesignNoise(0, (index,)).at(-2, "lengths"))
        counts[first, last] = counts.get((first, last), 0) + 1
    assert set(counts) == {(a, b) for a in range(4) for b in range(4) if a + b in (3, 4)}
    assert all(abs(n - 1000) < 4 * (7000 / 7 * 6 / 7) ** 0.5 for n in counts.values())


def test_lengths_depend_on_seed_and_index_alone(structure):
    contig = parse_contig("5-60,A1-5,5-60", structure)
    lengths = [len(Motif(structure, contig, 1).blueprint(index)) for index in range(20)]
    assert lengths == [len(Motif(structure, contig, 1).blueprint(index)) for index in reversed(range(20))][::-1]
    assert lengths != [len(Motif(structure, contig, 2).blueprint(index)) for index in range(20)]
    assert len(set(lengths)) > 5


def test_a_chain_of_the_input_keeps_its_names_and_a_new_one_takes_a_free_letter(structure):
    blueprint = Motif(structure, parse_contig("5,A1-5,5/0,B", structure), 0).blueprint(0)
    designed, kept = blueprint.backbone.chain_slices()
    assert [str(item) for item in blueprint.backbone.names[designed]] == [f"A{n}" for n in range(1, 16)]
    assert [str(item) for item in blueprint.backbone.names[kept]] == [f"B{n}" for n in range(-3, 13)]
    blueprint = Motif(structure, parse_contig("5,B1-5/0,A", structure), 0).blueprint(0)
    assert {item.chain for item in blueprint.backbone.names[:10]} == {"B"}
    gap = np.diff(blueprint.backbone.position[10:])
    assert sorted(gap[gap > 1]) == [6]  # A20 to A26 of the input


REFUSED = [
    ("10,A21-23,10", "A21-23: made.pdb has no residue A21; it has A 1-20, 26-40; B -3-12; 7 1-5"),
    ("A18-28", "has no residues between A20 and A26"),
    ("10,C1-5", "no chain C; it has A 1-20"),
    ("10-40", "takes no residue of made.pdb"),
    ("A1-5,10,A5-8", "takes residue A5 twice"),
    ("40-10,A1", "40-10 is not a number of new residues"),
    ("A5-1", "A5-1 ends before it begins"),
    ("A1-B3", "begins in chain A and ends in chain B"),
    ("A1-5,/0", "a chain without residues"),
    ("10,?,A3", "'?' names no residues"),
    ("", "a chain without residues"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_cannot_be_meant_is_refused(structure, text, message):
    with pytest.raises(UserInputError, match=re.escape(message)):
        parse_contig(text, structure)


@pytest.mark.parametrize(
    ("total", "message"), [((3, 4), "less than the 5 residues"), ((60, 90), "cannot be met: .* has 5 to 25 residues")]
)
def test_a_total_that_cannot_be_is_refused(structure, total, message):
    with pytest.raises(UserInputError, match=message):
        parse_contig("0-10,A1-5,0-10", structure, total)


def test_real_files_have_residues_by_name(data_folder):
    structure = read_input(data_folder / "3op9_A_6.pdb")
    assert structure.ranges() == "A 1-69"
    assert structure.select("A3-5") == [2, 3, 4]
    assert structure.select_all("A40,A3-5,A4") == [2, 3, 4, 39]
