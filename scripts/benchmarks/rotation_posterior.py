"""Print how well the network's law of the rotations describes held-out chains, as a Markdown table.

python scripts/benchmarks/rotation_posterior.py chains.parquet [--checkpoint base] [--chains 100]

Chains of the validation split are noised on the sampling curve to times t, and the network says where every rotation
goes. The law is its mixture of Gaussians for the scaled tangent v (rad). Beside it: one Gaussian with the mean and
variance of the mixture, and one around the same mean with a single width for all residues, the best for each t. The
likelihood is that of v, in nats per residue, without constants that all three share. A cap is the ball around the mean
of v that holds half, or nine tenths, of the predicted law; a calibrated law has as many true rotations in it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from gm_multimodal.network import means, predict
from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import corrupt
from gm_multimodal.parameterizations.tangent import SMALLEST_REMAINDER, TangentPrediction
from gm_multimodal.protein.batch import collate
from gm_multimodal.protein.chains import Chains
from gm_multimodal.protein.checkpoint import Checkpoint, load_checkpoint, resolve
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.factors import ROTATIONS
from gm_multimodal.protein.tasks import on_curve

TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
CAPS = (0.5, 0.9)
DRAWS = 200
HEAD = (
    "| t | residues | mixture | one Gaussian | fixed width | width (rad) | truths in the 50 % cap | in the 90 % cap |"
)


def predictions(checkpoint: Checkpoint, chains: Chains, time: float) -> Iterator[tuple[TangentPrediction, Tensor]]:
    """Yield the law of every residue and the true rotation, batch by batch; means are fed back once."""
    order = chains.lengths.argsort()
    for first in range(0, len(order), 8):
        batch = collate(chains, order[first : first + 8].tolist())
        known, times = on_curve(batch, checkpoint.product, torch.full((len(batch.sites.present),), time))
        times = known.times(times)
        state = corrupt(checkpoint.product, known, times, SharedNoise.keyed(first, round(100 * time)))
        previous = means(predict(checkpoint.network, checkpoint.product, state, times, batch.sites, None))
        law = predict(checkpoint.network, checkpoint.product, state, times, batch.sites, previous)[ROTATIONS]
        assert isinstance(law, TangentPrediction)
        present = known.sites.present
        chosen = [x[present] for x in (law.x, law.t, law.means, law.log_scales, law.logits)]
        yield TangentPrediction(law.space, *chosen), known.values[ROTATIONS][present]


def moments(law: TangentPrediction) -> tuple[Tensor, Tensor]:
    """Return mean [M, 3] and variance per coordinate [M] of v."""
    weight = law.logits.softmax(-1)
    mean = (weight[..., None] * law.means).sum(-2)
    spread = (law.means - mean[:, None]).square().sum(-1) / 3 + (2 * law.log_scales).exp()
    return mean, (weight * spread).sum(-1)


def measure(checkpoint: Checkpoint, chains: Chains, time: float) -> str:
    """Return the row of one time."""
    noise, losses, single, square, inside = SharedNoise.keyed(7), [], [], [], []
    for law, truth in predictions(checkpoint, chains, time):
        losses.append(law.loss(truth))
        mean, variance = moments(law)
        left = (1 - law.t).clamp(min=SMALLEST_REMAINDER)[:, None]
        v = law.space.log(law.x, truth) / left
        distance = (v - mean).square().sum(-1)
        single.append(0.5 * distance / variance + 1.5 * variance.log())
        square.append(distance)
        repeated = TangentPrediction(
            law.space, *(x.repeat_interleave(DRAWS, 0) for x in (law.x, law.t, law.means, law.log_scales, law.logits))
        )
        radii = (repeated.draw(noise) - mean.repeat_interleave(DRAWS, 0)).norm(dim=-1).unflatten(0, (-1, DRAWS))
        inside.append((radii < distance.sqrt()[:, None]).double().mean(-1))
    distance, share = torch.cat(square), torch.cat(inside)
    width = distance.mean() / 3
    fixed = (0.5 * distance / width + 1.5 * width.log()).mean()
    caps = " | ".join(f"{(share <= cap).double().mean():.3f}" for cap in CAPS)
    figures = " | ".join(f"{float(x):.3f}" for x in (torch.cat(losses).mean(), torch.cat(single).mean(), fixed))
    return f"| {time} | {len(distance)} | {figures} | {float(width.sqrt()):.3f} | {caps} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="Parquet file of chains with a validation split")
    parser.add_argument("--checkpoint", default="base", help="a shipped name or a file")
    parser.add_argument("--chains", type=int, default=100, help="how many chains")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    held_out = read_chains(
        options.dataset, split="validation", min_length=40, max_length=128, max_gyration_ratio=1.2, max_coil=0.6
    )
    chosen = held_out.subset(range(min(options.chains, len(held_out))))
    print(f"{HEAD}\n{'|---' * 8}|")
    with torch.inference_mode():
        for t in TIMES:
            print(measure(load_checkpoint(resolve(options.checkpoint)), chosen, t), flush=True)
