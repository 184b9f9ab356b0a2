import importlib.util

import numpy as np
import pytest
import torch

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.judges.esmfold import EsmFold
from gm_multimodal.protein.judges.self_consistency import SelfConsistency

NEEDS_TRANSFORMERS = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A random ESMFold of a few thousand weights, saved as users have theirs."""
    from transformers import EsmConfig, EsmForProteinFolding

    trunk = {
        "num_blocks": 1,
        "sequence_state_dim": 32,
        "pairwise_state_dim": 16,
        "sequence_head_width": 8,
        "pairwise_head_width": 8,
        "position_bins": 8,
        "max_recycles": 1,
        "structure_module": {
            "sequence_dim": 32,
            "pairwise_dim": 16,
            "ipa_dim": 4,
            "resnet_dim": 8,
            "num_heads_ipa": 2,
            "num_qk_points": 2,
            "num_v_points": 2,
            "num_blocks": 2,
            "num_resnet_blocks": 1,
            "num_angles": 7,
        },
    }
    config = EsmConfig(
        vocab_size=33,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=1026,
        pad_token_id=1,
        mask_token_id=32,
        position_embedding_type="rotary",
        emb_layer_norm_before=False,
        token_dropout=True,
        is_folding_model=True,
        esmfold_config={"trunk": trunk, "fp16_esm": False, "use_esm_attn_map": False},
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("esmfold")
    EsmForProteinFolding(config).save_pretrained(folder)
    return folder


@NEEDS_TRANSFORMERS
def test_a_random_model_gives_a_backbone_for_each_sequence_by_itself(weights, subject):
    folder = EsmFold(weights)
    short = subject.tokens[:20].copy()
    both, alone = folder.fold([subject.tokens, short]), folder.fold([short])
    assert both[0].coordinates.shape == (len(subject.tokens), 4, 3)
    np.testing.assert_array_equal(both[1].coordinates, alone[0].coordinates)
    # whatever the weights, residues are rigid: N-CA 1.46, CA-C 1.53 and C-O 1.23 Angstrom
    bonds = np.linalg.norm(np.diff(both[0].coordinates, axis=1), axis=-1)
    np.testing.assert_allclose(bonds[:-1], np.tile([1.46, 1.53, 1.23], (len(bonds) - 1, 1)), atol=0.02)
    assert 0 <= both[0].plddt <= 100


@NEEDS_TRANSFORMERS
def test_self_consistency_runs_on_it(weights, subject):
    judge = SelfConsistency(EsmFold(weights), sequences=8, seed=0)
    row = judge.judge([subject])[0]
    assert {*row} == {*judge.definitions}
    assert row["sc_own_designable"] == 0 and row["sc_own_plddt"] is not None


@NEEDS_TRANSFORMERS
def test_a_folder_of_another_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserInputError, match="cannot be loaded as ESMFold"):
        EsmFold(tmp_path)


def test_a_folder_without_weights_and_an_absent_package_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(UserInputError, match=r"is not a folder with a config.json"):
        EsmFold(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserInputError, match="pip install transformers"):
        EsmFold(tmp_path)
