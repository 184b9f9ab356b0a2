import os
import stat
import sys

import numpy as np
import pandas as pd
import pytest

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.preparation.clusters import BUILT_IN, cluster, resolve_method
from gm_multimodal.protein.residues import RESIDUES


def mutated(sequence: str, identity: float, rng: np.random.Generator) -> str:
    letters = np.array([*sequence])
    changed = rng.permutation(len(letters))[round(identity * len(letters)) :]
    letters[changed] = [rng.choice([r for r in RESIDUES if r != letters[i]]) for i in changed]
    return "".join(letters)


def families(count: int, members: int, identity: float, rng) -> tuple[list[str], np.ndarray]:
    sequences, family = [], []
    for number in range(count):
        founder = "".join(rng.choice([*RESIDUES], rng.integers(80, 160)))
        sequences += [founder] + [mutated(founder, identity, rng) for _ in range(members - 1)]
        family += [number] * members
    return sequences, np.array(family)


def by_words(sequences: list[str]) -> np.ndarray:
    return cluster(sequences, BUILT_IN, threads=1, progress=lambda _: None)


def test_families_are_found_and_strangers_are_not_joined():
    # 45 % identity at random places is as hard as a real family at 30 %, whose equal residues stand together
    sequences, family = families(12, 3, 0.45, np.random.default_rng(0))
    labels = by_words(sequences)
    together = labels[:, None] == labels
    assert not (together & (family[:, None] != family)).any()
    related = (family[:, None] == family) & ~np.eye(len(family), dtype=bool)
    assert together[related].mean() > 0.9


def test_labels_count_from_the_first_sequence_and_follow_their_members_through_any_order():
    sequences, _ = families(6, 2, 0.6, np.random.default_rng(1))
    labels = by_words(sequences)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    order = np.random.default_rng(2).permutation(12)
    shuffled = by_words([sequences[i] for i in order])
    assert ((shuffled[:, None] == shuffled) == (labels[order][:, None] == labels[order])).all()


def test_a_piece_of_a_sequence_is_no_member():
    whole = "".join(np.random.default_rng(3).choice([*RESIDUES], 120))
    assert by_words([whole, whole[:60]]).tolist() == [0, 1]


def test_short_and_few_sequences():
    assert by_words([]).tolist() == []
    assert by_words(["ACDEFG"]).tolist() == [0]
    assert by_words(["AAAA", "WWWW"]).tolist() == [0, 1]


def test_real_chains_of_different_clusters_stay_apart(small_dataset):
    table = pd.read_parquet(small_dataset)
    labels = by_words(list(table.sequence))
    # MMseqs2 divides these two SH3 domains, whose residues are equal at every third place
    assert table.id[labels == labels[7]].tolist() == [table.id[7], table.id[20]]
    assert len(set(labels)) == table.cluster30.nunique() - 1


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for MMseqs2 is a script with a shebang")
def test_mmseqs2_is_used_where_it_is_installed(tmp_path, monkeypatch):
    program = tmp_path / "mmseqs"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "if sys.argv[1] == 'version': print('14-test'); sys.exit()\n"
        "assert sys.argv[1] == 'easy-cluster' and '--min-seq-id' in sys.argv, sys.argv\n"
        "names = [line[1:].strip().split()[0] for line in open(sys.argv[2]) if line[0] == '>']\n"
        "if len(names) == 1: sys.exit('too few')\n"
        "open(sys.argv[3] + '_cluster.tsv', 'w').writelines(f'{int(n) % 2}\\t{n}\\n' for n in reversed(names))\n"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert resolve_method("auto") == BUILT_IN
    with pytest.raises(UserInputError, match="needs the program mmseqs"):
        resolve_method("mmseqs")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert resolve_method("auto") == "mmseqs"
    assert resolve_method("built-in") == BUILT_IN
    assert cluster(["ACD", "CDE", "DEF"], "mmseqs", threads=1, progress=lambda _: None).tolist() == [0, 1, 0]
    with pytest.raises(UserInputError, match=r"MMseqs2 failed \(too few\): give clustering=built-in"):
        cluster(["ACD"], "mmseqs", threads=1, progress=lambda _: None)
