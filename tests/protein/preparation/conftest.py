import pytest

from gm_multimodal.protein.preparation.examine import Criteria

ANY = {
    "chains": "all",
    "models": "first",
    "gaps": "split",
    "predicted": "auto",
    "min_length": 4,
    "max_length": 512,
    "max_resolution": None,
    "max_coil": None,
    "max_gyration_ratio": None,
    "min_plddt": 70.0,
    "max_broken": 0.02,
    "max_bytes": 10_000_000,
}


@pytest.fixture
def criteria():
    """Criteria that take almost everything, with changes."""

    def make(**changes) -> Criteria:
        return Criteria(**(ANY | changes))

    return make


@pytest.fixture
def lines(data_folder) -> list[str]:
    """The atoms of one real chain of 69 residues, for tests to make awkward."""
    text = (data_folder / "3op9_A_6.pdb").read_text()
    return [line for line in text.splitlines() if line.startswith(("ATOM", "TER"))]
