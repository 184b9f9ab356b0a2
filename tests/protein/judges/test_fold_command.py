import dataclasses
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.judges.fold_command import FoldCommand
from gm_multimodal.protein.judges.self_consistency import SelfConsistency, rmsd


@pytest.fixture
def fake(data_folder, monkeypatch):
    """Make the command of a fake folding program that knows one structure."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    script = Path(__file__).with_name("fake_fold.py")

    def command(mode: str = "good") -> str:
        words = [sys.executable, str(script), "{fasta}", "{out}", str(data_folder / "3c4s_A_1.pdb"), mode]
        return " ".join(word if "{" in word else shlex.quote(word) for word in words)

    return command


def test_a_fold_is_read_back_in_the_order_of_the_sequences(fake, subject):
    sequences = [subject.tokens, subject.tokens[::-1].copy()]
    folds = FoldCommand(fake("noisy")).fold(sequences)
    errors = [rmsd(subject.coordinates, fold.coordinates, slice(0, 3)) for fold in folds]
    # standard deviations 3 and 1.5 along each axis; the second file of each is three times worse
    assert 3 < errors[0] < 6 and 1.5 < errors[1] < 3


def test_a_structure_that_folds_back_is_designable(fake, subject):
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved = dataclasses.replace(subject, coordinates=(subject.coordinates @ turn + 7).astype(np.float32))
    judge = SelfConsistency(FoldCommand(fake()), sequences=8, seed=0)
    row = judge.judge([moved])[0]
    assert row["sc_own_rmsd_ca"] < 0.01 and row["sc_own_rmsd_n_ca_c"] < 0.01
    assert row["sc_own_tm"] > 0.999 and row["sc_own_designable"] == 1
    assert row["sc_own_plddt"] is None and row["sc_own_plddt reason"]
    assert {*judge.definitions} == {key for key in row if not key.endswith(" reason")}


def test_the_best_of_the_drawn_sequences_is_the_closest(fake, mpnn, subject):
    """The fake folds each sequence of a run better than the one before."""
    judge = SelfConsistency(FoldCommand(fake("noisy")), mpnn, sequences=3, seed=0)
    row = judge.judge([subject])[0]
    errors = [row[f"sc_{variant}_rmsd_n_ca_c"] for variant in ("own", "mpnn_first", "mpnn_best")]
    assert errors == sorted(errors, reverse=True)
    assert [row[f"sc_{variant}_designable"] for variant in ("own", "mpnn_best")] == [0, 1]
    assert {*judge.definitions} == {key for key in row if not key.endswith(" reason")}
    assert "N, CA, C" in judge.definitions["sc_mpnn_best_designable"].atoms


def test_a_mirror_image_is_no_fold(subject):
    assert rmsd(subject.coordinates, subject.coordinates * [1, 1, -1], slice(0, 3)) > 3


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("fail", "ended with exit code 1: out of luck"),
        ("lazy", r"left no structure of sequence chain00001 in \{out\}; its files are chain00000"),
        ("other", r"folded another sequence: chain00000_rank_1.pdb has \w at residue 1, the sequence \w"),
    ],
)
def test_a_command_that_does_not_deliver_is_named_with_what_it_did(fake, subject, mode, message):
    with pytest.raises(UserInputError, match=message):
        FoldCommand(fake(mode)).fold([subject.tokens, subject.tokens])


def test_a_command_that_leaves_nothing_is_told_what_to_leave(subject):
    nothing = f"{shlex.quote(sys.executable)} -c pass {{fasta}} {{out}}"
    with pytest.raises(UserInputError, match=r"left no structure file at all. It should write chain00000.pdb"):
        FoldCommand(nothing).fold([subject.tokens])


def test_a_program_that_does_not_exist_is_found_out_at_once():
    with pytest.raises(UserInputError, match="no_such_fold was not found"):
        FoldCommand("no_such_fold {fasta} {out}")


@pytest.mark.parametrize(("command", "missing"), [("fold {fasta}", "{out}"), ("fold", "{fasta} and {out}")])
def test_a_command_without_its_places_is_refused(command, missing):
    with pytest.raises(UserInputError, match=f"lacks {missing}"):
        FoldCommand(command)
    with pytest.raises(UserInputError, match="split into words"):
        FoldCommand('fold {fasta} {out} "')
