"""Which weights of a checkpoint go on learning."""

from torch import nn


def make_trainable(network: nn.Module, which: str) -> None:
    """Let weights learn, and freeze the others.

    Args:
        network: from a checkpoint; it names the parts of its heads.
        which: all, or heads: what turns features of residues into frames and types.
    """
    assert which in ("all", "heads")
    heads = getattr(network, "HEADS", ())
    network.train()
    for name, weight in network.named_parameters():
        weight.requires_grad_(which == "all" or not set(heads).isdisjoint(name.split(".")))
