"""Print the table of docs/measurements/base.md: designs beside held-out chains, every length with the same weight.

python scripts/benchmarks/base_card.py held-out chains.parquet designs/real
gm-multimodal design -m length=60,80,100,128 num_designs=50 threads=1 out=designs/card
gm-multimodal evaluate "designs=designs/card/*/design_*.pdb" reference=chains.parquet reference_split=train \
    protein_mpnn=true out=designs/card_evaluation
gm-multimodal evaluate designs=designs/real reference=chains.parquet reference_split=train protein_mpnn=true \
    out=designs/real_evaluation
python scripts/benchmarks/base_card.py table designs/card_evaluation/metrics.csv designs/real_evaluation/metrics.csv

`held-out` writes globular chains of the validation and test split within 5 residues of each length.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from gm_multimodal.protein.backbone import unbroken
from gm_multimodal.protein.dataset import backbone_of
from gm_multimodal.protein.output import write_structure
from gm_multimodal.protein.residues import RESIDUES, encode

LENGTHS = (60, 80, 100, 128)
MEANS = {
    "CA-CA 3.8 +- 0.1 A": "ca_ca_valid",
    "C-N 1.33 +- 0.1 A": "peptide_valid",
    "bond angles": "bond_angles_valid",
    "Ramachandran, favoured": "ramachandran_favoured",
    "Ramachandran, allowed": "ramachandran_allowed",
    "helix (P-SEA)": "helix",
    "strand (P-SEA)": "strand",
    "helix (hydrogen bonds)": "dssp_helix",
    "strand (hydrogen bonds)": "dssp_strand",
    "mean TM of pairs": "mean_tm",
    "ProteinMPNN, own sequence (nat)": "mpnn_score_own",
    "ProteinMPNN, its own eight (nat)": "mpnn_score_mean",
    "ProteinMPNN, recovery": "mpnn_recovery",
}


def write_held_out(path: Path, out: Path, number: int) -> None:
    """Write at most `number` chains for each length."""
    held_out = [("split", "in", ["validation", "test"]), ("globular", "==", True)]
    chains = pd.read_parquet(path, columns=["id", "length", "sequence", "coordinates"], filters=held_out)
    out.mkdir(parents=True, exist_ok=True)
    for length in LENGTHS:
        near = chains[(chains.length - length).abs() <= 5]
        for row in near.sample(min(number, len(near)), random_state=0).itertuples():
            chain = unbroken(backbone_of(row.coordinates), encode(row.sequence))
            write_structure(out / f"{row.id}.pdb", chain, None, title=row.id, remarks=[])


def composition(sequences: pd.Series) -> np.ndarray:
    """Return the shares of the 20 residue types."""
    text = "".join(sequences)
    return np.array([text.count(letter) for letter in RESIDUES[:20]]) / len(text)


def nearest_length(table: pd.DataFrame) -> pd.Series:
    """Return which of the lengths each structure belongs to."""
    return table.length.map(lambda length: min(LENGTHS, key=lambda n: abs(n - length)))


def column(table: pd.DataFrame, real: pd.DataFrame) -> dict[str, str]:
    """Return the figures of one set of structures, with standard errors where they are means."""
    row, row_of_real = nearest_length(table), nearest_length(real)
    is_sound = (table.clashes == 0) & (table.ca_ca_valid >= 0.97)
    usual = row.map(real.gyration_ratio.groupby(row_of_real).mean())
    near = table.assign(
        row=row,
        clash_free=table.clashes == 0,
        compact=(table.gyration_ratio / usual - 1).abs() <= 0.15,
        strandy=table.strand > 0.2,
    )
    shares = {"clash-free": "clash_free", "Rg within 15 % of real": "compact", "more than 20 % strand": "strandy"}
    figures = {"structures": str(len(near))}
    for name, key in (MEANS | shares).items():
        if key in near:
            groups = near.groupby("row")[key]
            error = float(np.sqrt((groups.var().astype(float) / groups.count()).sum()) / groups.ngroups)
            figures[name] = f"{float(groups.mean().mean()):.3f} ({error:.3f})"
    distance = np.sqrt(1 - np.sqrt(composition(near.sequence) * composition(real.sequence)).sum())
    sound = near[is_sound]
    return figures | {
        "composition, Hellinger distance": f"{distance:.3f}",
        "sound (no clash, 97 % of CA-CA)": f"{is_sound.mean():.3f}",
        "clusters at TM 0.5 of sound / all": f"{sound.cluster.nunique() / len(near):.3f}",
        "highest TM to a training chain, sound": f"{sound.novelty_tm.mean():.3f} ({sound.novelty_tm.sem():.3f})",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    writing = actions.add_parser("held-out")
    writing.add_argument("chains", type=Path, help="chains.parquet with the columns split and globular")
    writing.add_argument("out", type=Path, help="folder to write")
    writing.add_argument("--number", type=int, default=40, help="of chains of each length")
    printing = actions.add_parser("table")
    printing.add_argument("designs", type=Path, help="metrics.csv of the designs")
    printing.add_argument("real", type=Path, help="metrics.csv of the held-out chains")
    options = parser.parse_args()
    if options.action == "held-out":
        write_held_out(options.chains, options.out, options.number)
    else:
        designs, chains = pd.read_csv(options.designs), pd.read_csv(options.real)
        columns = {"designs": column(designs, chains), "real": column(chains, chains)}
        print("| | designs | real |\n|---|---|---|")
        for name in columns["designs"]:
            print(f"| {name} | {columns['designs'][name]} | {columns['real'].get(name, '')} |")
