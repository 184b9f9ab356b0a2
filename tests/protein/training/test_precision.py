"""Mixed precision: the network computes in bfloat16, nothing else does, and every weight learns."""

import pytest
import torch

from gm_multimodal.protein.batch import collate


@pytest.fixture
def batch(chains):
    some = chains("train")
    return collate(some, some.lengths.argsort()[:3].tolist())


def gradients(module, batch, feeds_back: bool, mixed: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    module.zero_grad()
    noise = module.noise(0, 0)
    known, times = module.curriculum.draw(batch, module.product, noise)
    # as training does for precision=bf16-mixed
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        matching = module.match(known, times, noise, feeds_back)
        loss = matching.total + sum(module.auxiliary(matching, known).values())
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("feeds_back", [False, True])
def test_mixed_precision_gives_about_the_same_loss_and_all_the_gradients(make_module, batch, feeds_back):
    """bfloat16 keeps three digits: the loss moves by less than 3 %, the gradient keeps its direction."""
    module = make_module(width=32, layers=2).train()
    loss, full = gradients(module, batch, feeds_back, mixed=False)
    mixed_loss, mixed = gradients(module, batch, feeds_back, mixed=True)
    assert mixed_loss.dtype == torch.float32
    assert float(mixed_loss) == pytest.approx(float(loss), rel=0.03)
    assert float(mixed_loss) != float(loss)  # the network did compute in bfloat16
    assert mixed.keys() == full.keys()
    for name, gradient in full.items():
        if gradient.norm() > 1e-3 * loss:
            assert torch.cosine_similarity(gradient.flatten(), mixed[name].flatten(), dim=0) > 0.9, name


def test_predictions_are_in_single_precision(make_module, batch):
    module = make_module(width=32, layers=2)
    noise = module.noise(0, 0)
    known, times = module.curriculum.draw(batch, module.product, noise)
    with torch.autocast("cpu", torch.bfloat16):
        matching = module.match(known, times, noise, True)
    assert all(prediction.mean().dtype == torch.float32 for prediction in matching.predictions.values())


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_training_computes_in_the_precision_that_was_asked_for(train, tmp_path, precision):
    """The products inside the network are in bfloat16 where they should be; the optimiser is fused in both."""
    seen, fused = set(), set()

    def watch(module):
        module.network.embed.register_forward_hook(lambda layer, given, output: seen.add(output.dtype))
        configure = module.configure_optimizers

        def configured():
            made = configure()
            fused.add(made["optimizer"].defaults["fused"])
            return made

        module.configure_optimizers = configured

    module, _ = train(tmp_path / "run", prepare=watch, precision=precision, max_steps=2)
    assert seen == {torch.bfloat16 if precision == "bf16-mixed" else torch.float32}
    assert fused == {True}
    assert {p.dtype for p in module.network.parameters()} == {torch.float32}
