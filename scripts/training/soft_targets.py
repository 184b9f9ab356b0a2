"""Add soft targets to a dataset: for every training row, laws of hidden residue types by ProteinMPNN.

python scripts/training/soft_targets.py runs/base_data/chains.parquet runs/base_data/soft.parquet
gm-multimodal train data=runs/base_data/soft.parquet sequences=soft

A target is the law of every hidden residue type, given the backbone and the types that are revealed. Cross-entropy
against it has the minimiser of cross-entropy against hard draws of the hidden types, with less variance. A row gets one
pattern in which everything is hidden and, per round, two in which a share drawn from [0, 1] is revealed: of its own
sequence, and of one that ProteinMPNN draws.

Batches of rows are written to OUT_shards as they are done, in random order; the same command goes on from there, and
OUT holds what there is when it stops. More --rounds add patterns to those of earlier ones. What a row gets depends on
its name, the seed and the round, and on its company only by the rounding of sums.
"""

import argparse
import hashlib
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from dataset_file import with_columns, write_dataset
from teacher import NEIGHBOURS, Teacher
from torch import Tensor

from gm_multimodal.files import write_atomically
from gm_multimodal.protein.chains import Row
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.residues import MASK
from gm_multimodal.protein.soft_targets import CONTEXT, LEVELS, to_levels

RESIDUES_AT_ONCE = 3000
SCHEMA = pa.schema({"id": pa.string(), CONTEXT: pa.list_(pa.int8()), LEVELS: pa.list_(pa.uint8())})


def batches(rows: Sequence[Row], seed: int) -> list[list[Row]]:
    """Return the rows in batches of similar length, short ones of equal length, in random order."""
    made: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: (len(row), row.id)):
        fits = made and (len(made[-1]) + 1) * len(row) <= RESIDUES_AT_ONCE
        if not fits or (len(made[-1][0]) <= NEIGHBOURS and len(row) > len(made[-1][0])):
            made.append([])
        made[-1].append(row)
    return [made[k] for k in np.random.default_rng(seed).permutation(len(made))]


def uniform(rows: Sequence[Row], *key: int) -> Tensor:
    """Return numbers in [0, 1) that depend on the names of the rows and the key alone, [B, N]."""
    numbers = torch.zeros(len(rows), max(map(len, rows)))
    for k, row in enumerate(rows):
        name = int.from_bytes(hashlib.blake2b(row.id.encode(), digest_size=8).digest(), "little")
        numbers[k, : len(row)] = torch.from_numpy(np.random.default_rng((name, *key)).random(len(row), np.float32))
    return numbers


def contexts(teacher: Teacher, rows: Sequence[Row], seed: int, number: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield types with hidden ones masked [B, N], and their laws [B, N, 20], of every pattern of a round."""
    encoded = teacher.encode(rows)
    native = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row.backbone.tokens) for row in rows], batch_first=True)
    if number == 0:
        nothing = torch.zeros_like(encoded.present)
        yield torch.where(nothing, native, MASK), teacher.conditionals(encoded, native, nothing, native.float())
    drawn = teacher.draw(encoded, uniform(rows, seed, number, 0), uniform(rows, seed, number, 1))
    for kind, tokens in enumerate((native, drawn)):
        share, order, chance = (uniform(rows, seed, number, 2 + 3 * kind + k) for k in range(3))
        # at least one residue stays hidden
        is_revealed = (chance < share[:, :1]) & (chance < chance.amax(-1, keepdim=True))
        yield torch.where(is_revealed, tokens, MASK), teacher.conditionals(encoded, tokens, is_revealed, order)


def shard(teacher: Teacher, rows: Sequence[Row], seed: int, number: int) -> pa.Table:
    """Return the patterns of one batch as a table."""
    patterns = list(contexts(teacher, rows, seed, number))
    table: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for k, row in enumerate(rows):
        context = torch.cat([tokens[k, : len(row)] for tokens, _ in patterns])
        laws = torch.cat([law[k, : len(row)] for _, law in patterns])[context == MASK]
        table["id"].append(row.id)
        table[CONTEXT].append(context.numpy())
        table[LEVELS].append(to_levels(laws.exp().numpy()).ravel())
    return pa.table(table, schema=SCHEMA)


def teach(rows: Sequence[Row], folder: Path, options: argparse.Namespace) -> None:
    """Write the shards that are not there, for as long as there is time."""
    folder.mkdir(parents=True, exist_ok=True)
    teacher, split = Teacher(options.temperature), batches(rows, options.seed)
    start, start_cpu, done = time.perf_counter(), time.process_time(), 0
    for number in range(options.rounds):
        for k, batch in enumerate(split):
            file = folder / f"{number:02d}_{k:05d}.parquet"
            if file.exists() and pq.read_table(file, columns=["id"])["id"].to_pylist() == [row.id for row in batch]:
                continue
            if time.perf_counter() - start > 60 * options.minutes:
                return
            content = io.BytesIO()
            pq.write_table(shard(teacher, batch, options.seed, number), content, compression="zstd")
            write_atomically(file, content.getvalue())
            done += sum(map(len, batch))
            speed = done / (time.process_time() - start_cpu)
            print(f"round {number}, batch {k + 1} of {len(split)}: {speed:.0f} residues per CPU s", flush=True)


def join(chains: Path, folder: Path, out: Path) -> str:
    """Write the dataset with what the shards hold, and say how much that is."""
    table = pq.read_table(chains)
    names, columns = table["id"].to_pylist(), {}
    for column in (CONTEXT, LEVELS):
        found: dict[str, list[np.ndarray]] = {}
        for file in sorted(folder.glob("*.parquet")):
            shard = pq.read_table(file, columns=["id", column])
            for name, values in zip(shard["id"].to_pylist(), shard[column], strict=True):
                found.setdefault(name, []).append(values.values.to_numpy())
        joined = [np.concatenate(found[name]) if name in found else None for name in names]
        columns[column] = pa.array(joined, SCHEMA.field(column).type)
    write_dataset(with_columns(table, columns), out)
    return f"{len(names) - columns[CONTEXT].null_count} of {len(names)} rows have soft targets: {out}"


def main() -> None:
    """Read, ask the teacher and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file to read")
    parser.add_argument("out", type=Path, help="Parquet file to write")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of two patterns")
    parser.add_argument("--temperature", type=float, default=0.9, help="of the teacher; 0.9 fits native sequences best")
    parser.add_argument("--seed", type=int, default=0, help="of the patterns and draws")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.out.with_name(f"{options.out.stem}_shards")
    rows = read_chains(options.chains, split="train", min_length=1, max_length=100_000).rows
    teach(rows, folder, options)
    print(join(options.chains, folder, options.out))


if __name__ == "__main__":
    main()
