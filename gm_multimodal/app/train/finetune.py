"""`gm-multimodal finetune`: from a checkpoint and your chains to a checkpoint of your own."""

from pathlib import Path
from typing import Any

from gm_multimodal import __version__
from gm_multimodal.app.cli.terminal import remark, show
from gm_multimodal.app.train.chains import build_module, describe, provenance_of, read_split
from gm_multimodal.app.train.finetune_options import FinetuneConfig
from gm_multimodal.app.train.run import say, say_what_next, set_training_threads, training_folder
from gm_multimodal.errors import EmptyDataset
from gm_multimodal.protein.chains import Chains
from gm_multimodal.protein.checkpoint import Checkpoint, load_checkpoint, resolve
from gm_multimodal.protein.training.data import ChainData
from gm_multimodal.training.callbacks import Recipe
from gm_multimodal.training.checkpoints import read_released
from gm_multimodal.training.finetune import make_trainable
from gm_multimodal.training.module import HELD_OUT_LOSS
from gm_multimodal.training.run import fit, is_first_process


def finetune(config: FinetuneConfig) -> Path:
    """Train a checkpoint further and return the released one, with the weights of the best validation.

    Args:
        config: data, checkpoint and trainer.

    Raises:
        UserInputError: Something in the configuration cannot be built, or the folder holds another training.
        CheckpointError: The checkpoint cannot be used.
        DatasetError: A dataset cannot be read, or no chain passes its filters.
    """
    set_training_threads(config.threads)
    parent = load_checkpoint(resolve(config.checkpoint), allow_code=config.allow_code)
    chains, validation = read_split(config, "train"), _read_validation(config)
    replay = read_split(config, "train", config.replay) if config.replay else None
    make_trainable(parent.network, config.trainable)
    module = build_module(config, parent.network, parent.product)
    _warn(config, parent, chains)
    data = ChainData(
        chains,
        validation,
        config.residues_per_batch,
        config.seed,
        doubles_at=config.batch_doubles_at,
        replay=replay,
        replay_share=config.replay_share,
    )
    recipe = Recipe(parent.config, _provenance(config, parent, chains, replay))
    with training_folder(config, "patience", "checkpoint", "replay", checkpoint_digest=parent.digest) as out:
        _say_what_comes(config, chains, validation, replay)
        released = fit(module, data, recipe, out, config.trainer, config.ema_decay, config.patience)
    if is_first_process():
        _say_what_came(read_released(released).metadata["provenance"], module.global_step, config)
    say_what_next(released, recipe.config, "design")
    return released


def _read_validation(config: FinetuneConfig) -> Chains | None:
    try:
        return read_split(config, "validation")
    except EmptyDataset:
        return None


def _warn(config: FinetuneConfig, parent: Checkpoint, chains: Chains) -> None:
    """Say what about the checkpoint may not be as the user thinks."""
    version, (shortest, longest) = parent.metadata["version"], parent.length_range
    if version != __version__:
        _say_warning(
            f"checkpoint {config.checkpoint} was written by version {version}; this is {__version__}. Its weights fit; "
            "what they were trained for may have changed: compare the losses before the first step with its own."
        )
    outside = int(((chains.lengths < shortest) | (chains.lengths > longest)).sum())
    if outside:
        _say_warning(
            f"{outside} of {len(chains)} chains lie outside {shortest}-{longest} residues, the lengths that checkpoint "
            f"{config.checkpoint} was trained on; min_length={shortest} max_length={longest} leaves them out."
        )


def _say_warning(text: str) -> None:
    if is_first_process():
        remark("gm-multimodal finetune: warning", text)


def _say_what_comes(config: FinetuneConfig, chains: Chains, validation: Chains | None, replay: Chains | None) -> None:
    say(f"Fine-tunes {config.checkpoint} on {describe(chains)}.")
    if replay is not None:
        say(f"A share {config.replay_share} of all batches is of {config.replay}: {describe(replay)}.")
    if validation is None:
        say(
            f"{config.data} has no chains in its validation split that pass the filters: goes on without validation, "
            f"for all of {config.trainer['max_steps']} steps, and releases the last weights."
        )
    else:
        say(f"Validates on {describe(validation)} of other clusters.")


def _provenance(config: FinetuneConfig, parent: Checkpoint, chains: Chains, replay: Chains | None) -> dict[str, Any]:
    name = Path(config.checkpoint).name
    mixed_in = {"data": Path(config.replay).name, "chains": len(replay)} if config.replay and replay else None
    return {
        **provenance_of(config, chains),
        "trainable": config.trainable,
        "replay": {**mixed_in, "share": config.replay_share} if mixed_in else None,
        "parent": {"name": name, "digest": parent.digest, **parent.metadata},
    }


def _say_what_came(provenance: dict[str, Any], last_step: int, config: FinetuneConfig) -> None:
    """Print the held-out losses before and after, and where the released weights are from."""
    if not provenance["losses"]:
        return
    before, after = provenance["losses_before"], provenance["losses"]
    show("", f"{'held-out loss':<24}{'before':>9}{'after':>9}")
    for name, value in after.items():
        show(f"{name.removeprefix('validation/'):<24}{before[name]:9.3f}{value:9.3f}")
    stopped = f", the best of all validations up to step {last_step}"
    if last_step < config.trainer["max_steps"]:
        stopped += f" of {config.trainer['max_steps']}"
    show(f"Weights of step {provenance['steps']}{stopped}.")
    if after[HELD_OUT_LOSS] >= before[HELD_OUT_LOSS]:
        show("The held-out loss did not fall: the checkpoint knew chains like these already.")
