"""Write the dataset that `base` is trained on: whole chains, domains of others, and pairs of halves that touch.

python scripts/training/base_dataset.py chains.parquet runs/base_data/chains.parquet

chains.parquet is a dataset as `gm-multimodal train` reads it, with the column first_residue (data/README.md says where
ours comes from). Of the training split it takes every chain that is compact and structured enough for `train`. Chains
that are not, and those longer than the longest domain, are cut at domain borders where they have some; chains of two
parts that touch give a row of two chains, without the residues that join them. A row keeps the cluster of its chain, so
that an epoch shows one of them. Chains of the validation and test splits are never cut: their figures stay comparable.

Secondary structure (the column dssp) is that of what the row holds, by our own metric: a sheet that lost its partner is
a sheet no more. Coordinates are whole hundredths of an Angstrom, from the middle of the chain that a row is part of: so
parts repeat the bytes of their chain, which costs nothing in the compressed file.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from chain_parts import domains, halves
from dataset_file import write_dataset

from gm_multimodal.protein.dataset import UNITS_PER_ANGSTROM, backbone_of
from gm_multimodal.protein.metrics.contacts import CONTACT_DISTANCE, CONTACT_SEPARATION, distance_map
from gm_multimodal.protein.metrics.geometry import gyration_ratio
from gm_multimodal.protein.metrics.hydrogen_bonds import bridges, dssp, hydrogen_bonds
from gm_multimodal.protein.metrics.secondary_structure import shares
from gm_multimodal.protein.residues import encode

PART_GYRATION_RATIO = 1.15  # of a domain and of a half, at most
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "source": pa.string(),
        "sequence": pa.string(),
        "length": pa.int32(),
        "first_residue": pa.int32(),
        "coordinates": pa.list_(pa.int16()),
        "chain_lengths": pa.list_(pa.int16()),
        "cluster30": pa.int32(),
        "split": pa.string(),
        "dssp": pa.string(),
    }
)


@dataclass(frozen=True)
class Cutter:
    """Makes the rows of a chain.

    Attributes:
        shortest: residues of a row and of a domain, at least.
        shortest_half: residues of a half, at least.
        longest: residues of a row, at most.
        longest_domain: longer chains are cut as well.
        gyration_ratio: of a row, at most.
        coil: share of a row in neither helix nor strand, at most.
    """

    shortest: int
    shortest_half: int
    longest: int
    longest_domain: int
    gyration_ratio: float
    coil: float

    def rows(self, chain: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what a chain gives, with the name of its kind."""
        whole = self.row(chain, [(0, chain.length)])
        if whole is not None:
            yield "whole" if chain.split == "train" else "held out", whole
        if chain.split != "train":
            return
        xyz, tokens = backbone_of(chain.coordinates), encode(chain.sequence)
        bonded = np.ones(chain.length - 1, dtype=bool)
        separation = np.abs(np.subtract.outer(np.arange(chain.length), np.arange(chain.length)))
        contacts = (distance_map(xyz) < CONTACT_DISTANCE) & (separation >= CONTACT_SEPARATION)
        paired = bridges(hydrogen_bonds(xyz, tokens, bonded), bonded)
        if whole is None or chain.length > self.longest_domain:
            yield from (("domain", row) for row in self._domains(chain, contacts, paired))
        for start, stop in halves(contacts, paired, self.shortest_half):
            parts = [(0, start), (stop, chain.length)]
            if self._are_compact(xyz, parts) and (pair := self.row(chain, parts)):
                yield "two chains", pair
                return

    def row(self, chain: Any, parts: Sequence[tuple[int, int]]) -> dict[str, Any] | None:
        """Return the row of some parts of a chain, each a chain of its own; None if `train` would leave it out."""
        kept = np.concatenate([np.arange(*part) for part in parts])
        xyz, sequence = backbone_of(chain.coordinates)[kept], "".join(chain.sequence[i] for i in kept)
        if not self.shortest <= len(kept) <= self.longest or gyration_ratio(xyz) > self.gyration_ratio:
            return None
        letters = dssp(xyz, encode(sequence), np.diff(kept) == 1)
        if shares(letters).coil > self.coil:
            return None
        ends = [str(end) for part in parts for end in part]
        is_whole = len(kept) == chain.length
        return {
            "id": chain.id if is_whole else "_".join([chain.id, *ends]),
            "source": chain.source,
            "sequence": sequence,
            "length": len(kept),
            "first_residue": chain.first_residue + parts[0][0],
            "coordinates": hundredths(backbone_of(chain.coordinates))[kept].reshape(-1),
            "chain_lengths": [stop - start for start, stop in parts] if len(parts) > 1 else None,
            "cluster30": chain.cluster30,
            "split": chain.split,
            "dssp": letters,
        }

    def _domains(self, chain: Any, contacts: Any, paired: Any) -> Iterator[dict[str, Any]]:
        xyz, taken = backbone_of(chain.coordinates), np.zeros(chain.length, dtype=bool)
        for start, stop in domains(contacts, paired, self.shortest, min(self.longest_domain, chain.length - 1)):
            if taken[start:stop].any() or not self._are_compact(xyz, [(start, stop)]):
                continue
            row = self.row(chain, [(start, stop)])
            if row is not None:
                taken[start:stop] = True
                yield row

    @staticmethod
    def _are_compact(xyz: npt.NDArray[np.float32], parts: Sequence[tuple[int, int]]) -> bool:
        return all(gyration_ratio(xyz[start:stop]) < PART_GYRATION_RATIO for start, stop in parts)


def hundredths(xyz: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Return coordinates [L, 4, 3] from their middle, in whole units of the dataset."""
    units = np.round(xyz * UNITS_PER_ANGSTROM).astype(np.int64)
    units -= (units.min((0, 1)) + units.max((0, 1))) // 2
    assert np.abs(units).max() <= np.iinfo(np.int16).max, "a chain of more than 650 Angstrom"
    return units.astype(np.int16)


def main() -> None:
    """Read, cut and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file to read")
    parser.add_argument("out", type=Path, help="Parquet file to write")
    parser.add_argument("--shortest", type=int, default=40, help="residues of a row and of a domain, at least")
    parser.add_argument("--shortest-half", type=int, default=30, help="residues of a half, at least")
    parser.add_argument("--longest", type=int, default=256, help="residues of a row, at most")
    parser.add_argument("--longest-domain", type=int, default=192, help="longer chains are cut as well, if they can be")
    parser.add_argument("--gyration-ratio", type=float, default=1.2, help="of a row, at most")
    parser.add_argument("--coil", type=float, default=0.6, help="share of a row in neither helix nor strand, at most")
    options = parser.parse_args()
    columns = ["id", "source", "sequence", "length", "first_residue", "coordinates", "cluster30", "split"]
    chains = pd.read_parquet(options.chains, columns=columns)
    sizes = (options.shortest, options.shortest_half, options.longest, options.longest_domain)
    cutter = Cutter(*sizes, options.gyration_ratio, options.coil)
    made = [kind_and_row for chain in chains.itertuples() for kind_and_row in cutter.rows(chain)]
    write_dataset(pa.Table.from_pylist([row for _, row in made], schema=SCHEMA), options.out)
    for kind, count in Counter(kind for kind, _ in made).items():
        residues = sum(row["length"] for name, row in made if name == kind)
        print(f"{kind}: {count} rows, {residues} residues")
    print(f"{len(chains)} chains read; {options.out} has {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
