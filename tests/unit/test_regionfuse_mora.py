"""MoRA: packed experts against the dense reference, the literal formula, routing and the load loss."""

import math
from itertools import pairwise

import pytest
import torch

from regionfuse.fusion.regionfuse.attention import (
    cheaper_form,
    masked_products,
    mora_dense,
    mora_folded,
    mora_literal,
    mora_packed,
)
from regionfuse.fusion.regionfuse.mora import MixtureOfRegionAttention, Tiling, _from_groups, _to_groups
from regionfuse.fusion.regionfuse.router import Router, Routing, smooth_load, squared_variation


def tokens(groups=3, count=11, length=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(groups, count, length, generator=generator, dtype=torch.float64).requires_grad_()
        for _ in range(3)
    ]


def choice(kind, groups=3, count=11, experts=4):
    generator = torch.Generator().manual_seed(1)
    chosen = torch.zeros(groups, count, experts, dtype=torch.bool)
    if kind == "top2":
        best = torch.randn(groups, count, experts, generator=generator).topk(2, dim=-1).indices
        chosen.scatter_(-1, best, True)
    elif kind == "one expert takes all":
        chosen[..., 2] = True
    elif kind == "empty experts":
        chosen[..., 0] = True
        chosen[:, ::2, 3] = True
    elif kind == "a lonely token":
        chosen[..., 1] = True
        chosen[0, 4, 0] = True
    elif kind == "some tokens choose nothing":
        chosen[:, 3:, 1] = True
        chosen[1] = False
    elif kind == "all experts share all":
        chosen[:] = True
    return chosen


KINDS = [
    "top2",
    "one expert takes all",
    "empty experts",
    "a lonely token",
    "some tokens choose nothing",
    "all experts share all",
]


@pytest.mark.parametrize("sparse", [mora_packed, mora_folded])
@pytest.mark.parametrize("kind", KINDS)
def test_sparse_forms_equal_dense_in_value_and_gradient(kind, sparse):
    chosen = choice(kind)
    results = []
    for form in (mora_dense, sparse):
        q, k, v = tokens()
        logits = torch.randn(3, 11, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        logits.requires_grad_()
        out = form(q, k, v, logits.softmax(dim=-1), chosen)
        upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        (out * upstream).sum().backward()
        results.append([out, *(x.grad for x in (q, k, v, logits))])
    for name, dense, packed in zip(["value", "q", "k", "v", "router"], *results, strict=True):
        assert torch.isfinite(dense).all() and torch.isfinite(packed).all(), name
        assert torch.allclose(dense, packed, atol=1e-9, rtol=0), name


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_forms_equal_dense_without_gradients(kind, monkeypatch):
    monkeypatch.setattr("regionfuse.fusion.regionfuse.attention.PACKED_ELEMENTS", 200)  # many small batches
    chosen = choice(kind)
    q, k, v = (x.detach().float() for x in tokens())
    scores = torch.rand(3, 11, 4)
    with torch.inference_mode():
        dense, packed, folded = (
            form(q, k, v, scores, chosen) for form in (mora_dense, mora_packed, mora_folded)
        )
    assert torch.allclose(dense, packed, atol=1e-5, rtol=0)
    assert torch.allclose(dense, folded, atol=1e-5, rtol=0)


def test_auto_packs_only_when_that_saves_arithmetic():
    assert cheaper_form(experts=4, top_k=2) is mora_folded
    assert cheaper_form(experts=4, top_k=4) is mora_folded
    assert cheaper_form(experts=6, top_k=2) is mora_packed
    assert cheaper_form(experts=6, top_k=1) is mora_packed


def test_dense_reference_by_hand():
    """Two tokens share an expert, the third is alone: it receives its own value."""
    q = torch.tensor([[[1.0], [0.0], [5.0]]])
    k = torch.tensor([[[0.0], [math.log(3.0)], [9.0]]])
    v = torch.tensor([[[4.0], [8.0], [100.0]]])
    chosen = torch.tensor([[[True, False], [True, False], [False, True]]])
    scores = torch.tensor([[[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]])
    # token 0: weights 1/4 and 3/4 -> 7, times 0.5; token 1: equal weights -> 6; token 2: 100 * 0.75
    wanted = torch.tensor([[[3.5], [6.0], [75.0]]])
    assert torch.allclose(mora_dense(q, k, v, scores, chosen), wanted)
    assert torch.allclose(mora_packed(q, k, v, scores, chosen), wanted)
    assert torch.allclose(mora_folded(q, k, v, scores, chosen), wanted)


def test_literal_formula_by_hand():
    """The product before the softmax leaves weight exp(0) = 1 to masked tokens."""
    q = torch.tensor([[[1.0], [0.0]]])
    k = torch.tensor([[[math.log(3.0)], [7.0]]])
    v = torch.tensor([[[4.0], [8.0]]])
    chosen = torch.tensor([[[True], [False]]])
    scores = torch.ones(1, 2, 1)
    # token 0: exp(log 3) = 3 for itself, exp(0) = 1 for the masked one -> 5; token 1: plain mean -> 6
    assert torch.allclose(mora_literal(q, k, v, scores, chosen), torch.tensor([[[5.0], [6.0]]]))
    assert torch.allclose(mora_dense(q, k, v, scores, chosen), torch.tensor([[[4.0], [0.0]]]))


def test_groups_round_trip():
    x = torch.randn(2, 8, 6, 9, 5, 5)
    groups = _to_groups(x, 4)
    assert groups.shape == (2 * 4, 2 * 6 * 9, 25)
    assert torch.equal(_from_groups(groups, x.shape, 4), x)
    assert torch.equal(groups[1], x[0, 2:4].flatten(3).flatten(0, 2))


def test_tiling():
    assert Tiling.of(14, 14) == Tiling(14, 14, (0,)) and Tiling.of(14, 14).alone
    assert Tiling.of(22, 14) == Tiling(22, 14, (0, 8))
    for reach in (1, 2, 3, 4, 8, 13):
        for count in range(reach + 1, 50):
            tiling = Tiling.of(count, reach)
            starts = tiling.starts
            assert starts[0] == 0 and starts[-1] + reach == count and not tiling.alone
            steps = [b - a for a, b in pairwise(starts)]
            assert all(0 < step <= max(1, reach - 1) for step in steps)
            weights = tiling.weights(torch.zeros(1, dtype=torch.float64))
            total = torch.zeros(count, dtype=torch.float64)
            for start, share in zip(starts, weights, strict=True):
                total[start : start + reach] += share
            assert torch.allclose(total, torch.ones(count, dtype=torch.float64))


@pytest.mark.parametrize("form", ["auto", "packed", "folded", "dense"])
def test_module_attends_within_image_heads_and_tiles_only(form):
    """A change in one image, channel group or tile leaves the attention of all others as it was."""
    torch.manual_seed(0)
    layer = MixtureOfRegionAttention(4, 2, 8, 8, 3, experts=3, top_k=2, router_hidden=5).eval()
    layer.form = form
    regions = torch.randn(2, 12, 5, 3, 8, 8)
    q, k, v = regions.chunk(3, dim=1)
    routing, _ = layer.router(q.flatten(-2))
    before = layer._attend(q, k, v, routing)
    v = v.clone()
    v[1, 3, 4, 2] += 1.0
    moved = (layer._attend(q, k, v, routing) - before).abs().amax(dim=(-1, -2)) > 0
    assert moved[1, 2:, 2:].any(), "rows 0-2 and 2-4 are the two tiles"
    moved[1, 2:, 2:] = False
    assert not moved.any()


def test_tiles_blend_to_the_whole_when_attention_is_uniform():
    """Constant values survive the blending, in value and gradient."""
    torch.manual_seed(0)
    layer = MixtureOfRegionAttention(2, 1, 8, 8, 3, experts=2, top_k=2, router_hidden=5).eval()
    regions = torch.ones(1, 2, 7, 5, 8, 8, requires_grad=True)
    routing, _ = layer.router(regions.detach().flatten(-2))
    out = layer._attend(regions, regions, regions, routing)
    assert torch.allclose(out, torch.ones_like(out), atol=1e-6)
    out.sum().backward()
    assert torch.isfinite(regions.grad).all()


def test_router_keeps_k_experts_and_noise_is_for_training_only():
    torch.manual_seed(0)
    router = Router(9, 6, experts=4, top_k=2)
    x = torch.randn(2, 3, 2, 2, 9)
    router.eval()
    first, loss = router(x)
    second, _ = router(x)
    assert loss is None
    assert torch.equal(first.responsibilities, second.responsibilities)
    assert torch.all(first.chosen.sum(dim=-1) == 2)
    assert torch.allclose(first.responsibilities.sum(dim=-1), torch.ones(2, 3, 2, 2))
    least_chosen = first.responsibilities.masked_fill(~first.chosen, 2).amin(dim=-1)
    assert torch.all(least_chosen >= (first.responsibilities * ~first.chosen).amax(dim=-1))
    assert first.shares.sum() == pytest.approx(1.0)
    router.train()
    torch.manual_seed(5)
    noisy, loss = router(x, with_load_loss=True)
    assert not torch.equal(noisy.responsibilities, first.responsibilities)
    assert loss is not None and loss.requires_grad and loss > 0
    torch.manual_seed(5)
    assert torch.equal(router(x)[0].responsibilities, noisy.responsibilities), "torch's generator decides"


def test_shares_and_weights_by_hand():
    chosen = torch.tensor([[True, True, False], [True, False, True]]).view(1, 2, 1, 1, 3)
    scores = torch.tensor([[0.5, 0.3, 0.2], [0.4, 0.1, 0.5]]).view(1, 2, 1, 1, 3)
    routing = Routing(scores, chosen)
    assert routing.shares.tolist() == [0.5, 0.25, 0.25]
    assert torch.allclose(routing.weights.flatten(), torch.tensor([0.5, 0.3, 0.0, 0.4, 0.0, 0.5]))


def test_squared_variation_by_hand():
    assert squared_variation(torch.tensor([2.0, 2.0, 2.0])) == 0
    # mean 2, population variance (1 + 1) / 2 = 1 -> 1 / 4
    assert squared_variation(torch.tensor([1.0, 3.0])) == pytest.approx(0.25)
    # everything on one of four: variance 3/16 M^2, mean M/4 -> 3
    assert squared_variation(torch.tensor([8.0, 0.0, 0.0, 0.0])) == pytest.approx(3.0)


def test_smooth_load_by_hand():
    """k = 1, three experts: threshold of the winner is the runner-up, of the others the winner."""
    clean = torch.tensor([[1.0, 0.0, -1.0]])
    noisy = torch.tensor([[2.0, 0.5, -1.0]])
    deviation = torch.tensor([[1.0, 2.0, 0.5]])

    def normal(z):
        return 0.5 * (1 + math.erf(z / math.sqrt(2)))

    wanted = [normal((1.0 - 0.5) / 1.0), normal((0.0 - 2.0) / 2.0), normal((-1.0 - 2.0) / 0.5)]
    assert smooth_load(clean, noisy, deviation, 1)[0].tolist() == pytest.approx(wanted, abs=1e-6)
    assert torch.equal(smooth_load(clean, noisy, deviation, 3), torch.ones(1, 3))


def test_load_loss_by_hand():
    """The loss is the two squared variations of what the router itself drew."""
    torch.manual_seed(0)
    router = Router(9, 6, experts=4, top_k=2).train()
    x = torch.randn(2, 3, 2, 2, 9)
    torch.manual_seed(7)
    routing, loss = router(x, with_load_loss=True)
    torch.manual_seed(7)
    clean = router.clean(x).detach()
    deviation = (torch.nn.functional.softplus(router.noise(x)) + 0.01).detach()
    noisy = clean + torch.randn_like(clean) * deviation
    probability = noisy.softmax(-1)
    importance = torch.zeros(4)
    load = torch.zeros(4)
    for token in range(24):
        row, p, c, d = (t.reshape(-1, 4)[token] for t in (noisy, probability, clean, deviation))
        order = row.argsort(descending=True).tolist()
        for expert in range(4):
            others = sorted((float(row[e]) for e in range(4) if e != expert), reverse=True)
            load[expert] += 0.5 * (1 + math.erf(float((c[expert] - others[1]) / d[expert]) / math.sqrt(2)))
            if expert in order[:2]:
                importance[expert] += p[expert]
    wanted = sum(float(t.var(unbiased=False) / t.mean() ** 2) for t in (importance, load))
    assert loss.item() == pytest.approx(wanted, rel=1e-5)
    assert torch.allclose(routing.weights.flatten(0, -2).sum(0), importance, atol=1e-5)


def test_masked_products_counts_the_chosen_pairs():
    assert masked_products([[3, 0], [1, 2]], 10) == 2 * (9 + 1 + 4) * 10
