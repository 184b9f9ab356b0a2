"""The judges that an evaluation asks for; a tool that is asked for and absent ends it before anything is measured."""

import torch

from gm_multimodal import __version__
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


def judges_of(
    *,
    protein_mpnn: bool,
    mpnn_sequences: int,
    likelihood: str | None,
    esmfold: str | None,
    fold_command: str | None,
    seed: int,
    device: str,
    threads: int | str,
    allow_code: bool,
) -> list[Judge]:
    """Return the judges that the options ask for, ready to judge, in the order of their columns.

    Raises:
        UserInputError: A tool is absent or its model cannot be loaded; the message says what to do.
    """
    if not (protein_mpnn or likelihood or esmfold or fold_command):
        return []
    where = resolve_device(device)
    set_threads(threads)
    judges: list[Judge] = []
    mpnn = ProteinMPNN(where) if protein_mpnn else None
    if mpnn is not None:
        judges.append(SequenceFit(mpnn, sequences=mpnn_sequences, seed=seed))
    if likelihood is not None:
        judges.append(_likelihood(likelihood, where, seed, allow_code))
    if (folder := _folder(esmfold, fold_command, where)) is not None:
        judges.append(SelfConsistency(folder, mpnn, sequences=mpnn_sequences, seed=seed))
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
