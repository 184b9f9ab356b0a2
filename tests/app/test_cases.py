"""Small files as people's tools write them are read alike by design, evaluate and prepare."""

import csv
from pathlib import Path

import pandas as pd
import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data" / "cases"
CASES = Path("/") if not SHARED.is_dir() else SHARED
TWO = {"A": 40, "B": 40}
MINI = {"A": 4, "B": 4}
ONE = {"A": 40}

# file -> chains, and a part of the note that every command gives
RIGHT = {
    "altloc_digits/digits.pdb": (ONE, ""),
    "assembly_models/1abc_assembly.pdb": (ONE, "2 models"),
    "auth_seq_unknown/auth.cif": (TWO, ""),
    "blank_chain/model.pdb": (ONE, "chain without a name, called A"),
    "blank_dimer_ter/dimer.pdb": (TWO, "2 molecules without a chain name, called A and B"),
    "blank_dimer_ter/mini.pdb": (MINI, "2 molecules without a chain name, called A and B"),
    "byte_order_mark/bom.pdb": (ONE, ""),
    "byte_order_mark/bom_h.pdb": (ONE, ""),
    "byte_order_mark/utf16.pdb": (ONE, ""),
    "cif_without_group_PDB/nogroup.cif": (ONE, ""),
    "cif_without_type_symbol/noelement.cif": (ONE, ""),
    "cterm_oxygen_names/charmm.pdb": (ONE, ""),
    "cterm_oxygen_names/gromacs.pdb": (ONE, ""),
    "cterm_oxygen_names/gromacs2.pdb": (ONE, ""),
    "long_chain_names_default_format/assembly.cif": ({"A": 40, "A-2": 40}, ""),
    "microheterogeneity_side_chain/het.pdb": (ONE, ""),
    "mirrored/mirror.pdb": (ONE, "mirror image"),
    "motif_without_cb/bb.pdb": (ONE, ""),
    "no_element_columns/itasser54.pdb": (ONE, ""),
    "no_element_columns/rosetta.pdb": (ONE, ""),
    "prediction_without_header/boltz.cif": (ONE, ""),
    "prediction_without_header/chai.cif": (ONE, ""),
    "prediction_without_header/esmfold.pdb": (ONE, ""),
    "prediction_without_header/modelcif_like_boltz.cif": (ONE, ""),
    "prediction_without_header/theoretical.cif": (ONE, ""),
    "residue_without_ca/noca.pdb": ({"A": 39}, "lacks CA"),
    "same_chain_dimer_ter/dimer.pdb": (TWO, "2 molecules in chain A, called A and B"),
    "two_char_chain_pdb/mini.pdb": ({"AA": 4, "BA": 4}, ""),
    "two_char_chain_pdb/two.pdb": ({"AA": 40, "BA": 40}, ""),
    "two_letter_chains/two.cif": ({"AA": 40, "BA": 40}, ""),
    "wrong_extension/gzipped.pdb": (ONE, ""),
    "wrong_extension/pdb_in.cif": (ONE, ""),
    "wrong_extension/plain.pdb.gz": (ONE, ""),
}
PREDICTED = [file for file in RIGHT if file.startswith("prediction")]

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")


@pytest.mark.parametrize("file", RIGHT)
def test_a_case_is_read_alike_by_all_commands(run, sampler, file):
    chains, note = RIGHT[file]
    path = CASES / file
    code, _, said = run("design", "checkpoint=base", "task=inverse_fold", f"structure={path}", "format=cif", "out=d",
                        "num_designs=1", "batch_size=1")  # fmt: skip
    assert code == 0 and note in said, said
    [row] = csv.DictReader(Path("d/designs.csv").read_text().splitlines())
    assert int(row["length"]) == sum(chains.values())
    assert said.count("design: note: ") <= 1, said
    code, _, said = run("evaluate", f"designs={path}", "out=e")
    assert code == 0 and note in said, said
    metrics = pd.read_csv("e/metrics.csv", keep_default_na=False)
    assert sorted(metrics["length"]) == sorted(chains.values())
    code, _, _ = run("prepare", f"structures={path}", "out=p", "min_length=4", "gaps=mark", "max_coil=null",
                     "max_broken=1", "keep_duplicates=true", "workers=1", "max_gyration_ratio=null")  # fmt: skip
    rejected = Path("p/rejected.csv").read_text()
    assert note in rejected
    if file in PREDICTED:
        assert "mean pLDDT below" in rejected
    elif not file.startswith("mirrored"):
        data = pd.read_parquet("p/chains.parquet")
        assert dict(zip(data["chain"], data["length"], strict=True)) == chains


def test_a_truncated_file_is_called_so(run):
    code, _, said = run("evaluate", f"designs={CASES / 'wrong_extension/truncated.pdb.gz'}", "out=e")
    assert code == 2 and "truncated" in said
