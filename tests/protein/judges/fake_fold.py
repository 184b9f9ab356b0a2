"""A folding program that knows one structure: every sequence gets its backbone, shaken by as much as it is told."""

import sys
from pathlib import Path

import numpy as np

from gm_multimodal.protein.backbone import unbroken
from gm_multimodal.protein.output import write_structure
from gm_multimodal.protein.residues import encode
from gm_multimodal.protein.structure import read_backbone


def main(fasta: str, out: str, structure: str, mode: str = "good") -> None:
    lines = Path(fasta).read_text().splitlines()
    coordinates = read_backbone(structure)[0].coordinates
    if mode == "fail":
        sys.exit("out of luck")
    for number, (name, letters) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
        if mode == "lazy" and number == 1:
            continue
        tokens = encode(letters)
        if mode == "other":
            tokens = (tokens + 1) % 20
        # the first sequence folds worst
        shake = np.random.default_rng(number).normal(0, 3.0 / (number + 1), coordinates.shape)
        moved = (coordinates + (0 if mode == "good" else shake)).astype(np.float32)
        confidence = np.full(len(tokens), 0.5, dtype=np.float32)
        folder = Path(out, "deep")
        folder.mkdir(exist_ok=True)
        for rank in ("1", "2"):
            path = folder / f"{name[1:]}_rank_{rank}.pdb"
            chain = unbroken(moved + (rank == "2") * 2 * shake, tokens)
            write_structure(path, chain, confidence, title="fake", remarks=[])


if __name__ == "__main__":
    main(*sys.argv[1:])
