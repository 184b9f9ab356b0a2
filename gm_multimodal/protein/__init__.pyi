from .auxiliary import BackboneLosses as BackboneLosses
from .backbone import Backbone as Backbone, ResidueId as ResidueId, unbroken as unbroken
from .batch import (
    ProteinBatch as ProteinBatch,
    collate as collate,
    residue_sites as residue_sites,
    single_chain as single_chain,
)
from .blueprint import Blueprint as Blueprint, blank as blank
from .chains import Chains as Chains, Row as Row
from .checkpoint import Checkpoint as Checkpoint, load as load, load_checkpoint as load_checkpoint
from .dataset import read_chains as read_chains
from .design import Design as Design, sample_block as sample_block, staged as staged
from .residues import decode as decode, encode as encode
from .structure import read_backbone as read_backbone
from .tasks import Curriculum as Curriculum, place_origin as place_origin
