import importlib.util
from pathlib import Path

import pytest

from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.judges.protein_mpnn import ProteinMPNN
from gm_multimodal.protein.structure import read_backbone


@pytest.fixture(scope="session")
def mpnn() -> ProteinMPNN:
    if importlib.util.find_spec("proteinmpnn") is None:
        pytest.skip("the package proteinmpnn is not installed")
    return ProteinMPNN()


@pytest.fixture(scope="session")
def subject(data_folder: Path) -> Backbone:
    """A real chain of 58 residues."""
    return read_backbone(data_folder / "3c4s_A_1.pdb")[0]


@pytest.fixture(scope="session")
def fragment(subject: Backbone) -> Backbone:
    """Its first 30 residues."""
    return subject[:30]
