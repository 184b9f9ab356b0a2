from .batches import Batch as Batch, Share as Share, Shuffled as Shuffled
from .build import build as build, build_network as build_network, build_product as build_product
from .checkpoints import read_released as read_released, save_checkpoint as save_checkpoint
from .every_time import EveryTime as EveryTime
from .module import MatchingModule as MatchingModule
from .optimisation import MuonOptimisation as MuonOptimisation, Optimisation as Optimisation
