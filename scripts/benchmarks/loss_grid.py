"""Compare checkpoints on held-out chains at fixed times of the structure and of the sequence, as a Markdown table.

python scripts/benchmarks/loss_grid.py chains.parquet a.safetensors b.safetensors [--sequences redesigned]

Sampling goes through pairs of times that no single curve holds: a hidden sequence while the structure forms (time 0 of
the sequence), a settled structure while types are chosen (time 1 of the structure is inverse folding). Every checkpoint
sees the same noise, and one prediction is fed back. Losses are means over chains in batches of like length, in the
order of their names; the sequence's is the bound in nats per residue. A dataset with redesigned sequences gives another
table with `--sequences redesigned`: what is learnt from a teacher shows there, what holds of nature in the first.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean

import torch

from gm_multimodal.network import means, predict
from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import corrupt
from gm_multimodal.protein.batch import ProteinBatch, collate
from gm_multimodal.protein.checkpoint import Checkpoint, load_checkpoint, resolve
from gm_multimodal.protein.dataset import SEQUENCES, read_chains
from gm_multimodal.protein.factors import SEQUENCE, STRUCTURE
from gm_multimodal.protein.tasks import on_curve

STRUCTURE_TIMES = (0.3, 0.6, 0.9, 1.0)
SEQUENCE_TIMES = (0.0, 0.4, 0.8)
ROWS = 8


def batches(data: Path, sequences: str, limit: int, longest: int) -> Iterator[ProteinBatch]:
    """Yield held-out chains, those of like length together."""
    chains = read_chains(data, split="validation", sequences=sequences, min_length=40, max_length=longest)
    order = chains.lengths.argsort(kind="stable")
    chosen = order[:: max(1, -(-len(order) // limit))]
    for first in range(0, len(chosen), ROWS):
        yield collate(chains, chosen[first : first + ROWS].tolist())


@torch.inference_mode()
def losses(checkpoint: Checkpoint, batch: ProteinBatch, number: int, s: float, u: float) -> Mapping[str, float]:
    """Return the loss of every factor that is not given at time s of the structure and u of the sequence."""
    given = STRUCTURE if s == 1 else ()
    known, times = on_curve(batch, checkpoint.product, torch.full((len(batch.sites.present),), min(s, 0.999)), given)
    times = known.times({**times, SEQUENCE: torch.full_like(times[SEQUENCE], u)})
    state = corrupt(checkpoint.product, known, times, SharedNoise.keyed(number, round(100 * s), round(100 * u)))
    previous = means(predict(checkpoint.network, checkpoint.product, state, times, batch.sites, None))
    predictions = predict(checkpoint.network, checkpoint.product, state, times, batch.sites, previous)
    found = {}
    for name, prediction in predictions.items():
        free = known.free(name)
        if free.any():
            found[name] = float((prediction.loss(known.target(name)) * free).sum() / free.sum())
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="chains with a validation split")
    parser.add_argument("checkpoints", nargs="+", help="names or paths")
    parser.add_argument("--sequences", choices=SEQUENCES, default=SEQUENCES[0], help="which types of the residues")
    parser.add_argument("--chains", type=int, default=64, help="how many at most")
    parser.add_argument("--longest", type=int, default=192, help="residues")
    options = parser.parse_args()
    torch.set_num_threads(1)
    loaded = {name: load_checkpoint(resolve(name)) for name in options.checkpoints}
    data = list(batches(options.data, options.sequences, options.chains, options.longest))
    print("| structure | sequence | loss |", " | ".join(Path(name).stem for name in loaded), "|")
    print("|---|---|---|", "---|" * len(loaded), sep="")
    for s in STRUCTURE_TIMES:
        for u in SEQUENCE_TIMES:
            found = [[losses(c, batch, k, s, u) for k, batch in enumerate(data)] for c in loaded.values()]
            for factor in found[0][0]:
                cells = " | ".join(f"{mean(of_batch[factor] for of_batch in own):.3f}" for own in found)
                print(f"| {s} | {u} | {factor} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
