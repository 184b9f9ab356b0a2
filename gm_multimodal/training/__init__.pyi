from .checkpoints import (
    Checkpoint as Checkpoint,
    load as load,
    load_checkpoint as load_checkpoint,
    save_checkpoint as save_checkpoint,
)
from .module import MatchingModule as MatchingModule
from .optimisation import MuonOptimisation as MuonOptimisation, Optimisation as Optimisation
