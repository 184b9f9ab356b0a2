"""The judges that an evaluation asks for; a tool that is asked for and absent ends it before anything is measured."""

import torch

from gm_multimodal import __version__
from gm_multimodal.app.evaluate.options import EvaluateConfig
from gm_multimodal.app.machine.devices import resolve_device, set_threads
from gm_multimodal.errors import CheckpointError
from gm_multimodal.protein.checkpoint import load_checkpoint, resolve
from gm_multimodal.protein.judges.esmfold import EsmFold
from gm_multimodal.protein.judges.fold_command import FoldCommand
from gm_multimodal.protein.judges.folding import Folder
from gm_multimodal.protein.judges.likelihood import Likelihood, LikelihoodJudge
from gm_multimodal.protein.judges.protein_mpnn import ProteinMPNN
from gm_multimodal.protein.judges.self_consistency import SelfConsistency
from gm_multimodal.protein.judges.sequence_fit import SequenceFit
from gm_multimodal.protein.metrics.figures import Judge


def judges_of(config: EvaluateConfig) -> list[Judge]:
    """Return the judges that the options ask for, ready to judge, in the order of their columns.

    Raises:
        UserInputError: A tool is absent or its model cannot be loaded; the message says what to do.
    """
    if not (config.protein_mpnn or config.likelihood or config.esmfold or config.fold_command):
        return []
    where, drawn = resolve_device(config.device), {"sequences": config.mpnn_sequences, "seed": config.seed}
    set_threads(config.threads)
    judges: list[Judge] = []
    mpnn = ProteinMPNN(where) if config.protein_mpnn else None
    if mpnn is not None:
        judges.append(SequenceFit(mpnn, **drawn))
    if config.likelihood is not None:
        judges.append(_likelihood(config.likelihood, where, config.seed, config.allow_code))
    if (folder := _folder(config.esmfold, config.fold_command, where)) is not None:
        judges.append(SelfConsistency(folder, mpnn, **drawn))
    return judges


def _likelihood(checkpoint_name: str, device: torch.device, seed: int, allow_code: bool) -> LikelihoodJudge:
    try:
        checkpoint = load_checkpoint(resolve(checkpoint_name), allow_code=allow_code)
    except CheckpointError as error:
        raise CheckpointError(f"likelihood={checkpoint_name}: {error}") from error
    model = Likelihood(checkpoint.network.to(device), checkpoint.product, device, seed)
    return LikelihoodJudge(model, f"{checkpoint_name} ({checkpoint.digest})", __version__)


def _folder(esmfold: str | None, fold_command: str | None, device: torch.device) -> Folder | None:
    if esmfold is not None:
        return EsmFold(esmfold, device)
    return None if fold_command is None else FoldCommand(fold_command)
