"""MoRA in its own forms, whole layer, against the dense reference: value, gradient, routing, memory, half."""

import pytest
import torch

from regionfuse.fusion.regionfuse import attention
from regionfuse.fusion.regionfuse.attention import fold, mora_dense, mora_folded, mora_packed
from regionfuse.fusion.regionfuse.cells import has_cells, region_scores
from regionfuse.fusion.regionfuse.mora import MixtureOfRegionAttention
from regionfuse.fusion.regionfuse.regions import RegionGrid

CHOICES = [(4, 2), (6, 1), (4, 4), (1, 1), (6, 3)]
OWN = ["auto", "folded", "packed"]


def layer(experts=4, top_k=2, reach=3, size=12, routing="region", width=8, heads=4):
    torch.manual_seed(0)
    made = MixtureOfRegionAttention(width, heads, 8, size, reach, experts, top_k, 5, routing)
    torch.nn.init.normal_(made.log_alpha, std=0.2)
    with torch.no_grad():
        made.qkv.weight.mul_(4.0)  # so that the softmax is far from uniform
    return made


def features(batch=2, width=8, height=37, columns=50, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, width, height, columns, generator=generator, dtype=dtype)
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("form", OWN)
@pytest.mark.parametrize(("experts", "top_k"), CHOICES)
@pytest.mark.parametrize(("reach", "size"), [(3, 12), (100, 12), (100, 16)])
def test_layer_equals_dense_in_value_and_gradient_with_the_noisy_router(experts, top_k, form, reach, size):
    """Single precision, training mode: the router draws the same noise, everything agrees to 1e-5."""
    made = layer(experts, top_k, reach, size).train()
    results = {}
    for name in ("dense", form):
        made.form = name
        x = features().requires_grad_()
        made.zero_grad()
        torch.manual_seed(3)
        out, load, routing = made(x, with_load_loss=True)
        upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(2)) / 64
        ((out * upstream).sum() + load).backward()
        results[name] = [out, load, routing.responsibilities, x.grad, *(p.grad for p in made.parameters())]
    assert not torch.equal(
        routing.responsibilities, layer(experts, top_k, reach, size).eval()(features())[2].responsibilities
    ) or (experts == 1), "there is noise"
    for dense, own in zip(results["dense"], results[form], strict=True):
        assert torch.isfinite(own).all()
        assert (dense - own).abs().max() <= 1e-5 * max(1.0, float(dense.detach().abs().max()))


@pytest.mark.parametrize("form", [*OWN, "literal"])
@pytest.mark.parametrize(("experts", "top_k"), CHOICES)
@pytest.mark.parametrize(("reach", "size"), [(3, 12), (100, 8), (2, 16), (4, 18)])
def test_inference_in_strips_equals_the_plain_layer(experts, top_k, form, reach, size, monkeypatch):
    monkeypatch.setattr("regionfuse.fusion.regionfuse.strips.STRIP_PIXELS", 300)
    monkeypatch.setattr("regionfuse.fusion.regionfuse.region_stream.BLOCK_BYTES", 60_000)
    made = layer(experts, top_k, reach, size).eval()
    made.form = form
    x = features()
    plain, _, routing = made(x)  # keeps gradients: not in strips
    with torch.inference_mode():
        streamed, load, found = made(x)
    assert load is None and torch.equal(routing.chosen, found.chosen)
    assert torch.allclose(routing.responsibilities, found.responsibilities, atol=1e-6)
    assert torch.allclose(plain, streamed, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("routing", ["sample", "none"])
def test_inference_in_strips_with_the_routers_of_ablations(routing):
    made = layer(routing=routing).eval()
    x = features()
    with torch.no_grad():
        streamed = made(x)[0]
    assert torch.allclose(made(x)[0], streamed, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 40), (8, 8), (41, 9)])
def test_inference_in_strips_at_any_size(height, width):
    made = layer(size=18).eval()
    x = features(height=height, columns=width)
    with torch.no_grad():
        streamed = made(x)[0]
    assert torch.allclose(made(x)[0], streamed, atol=1e-5)


def problem(kind, groups=3, count=13, experts=4, scale=1.0):
    generator = torch.Generator().manual_seed(5)
    q, k, v = (torch.randn(groups, count, 6, generator=generator) * scale for _ in range(3))
    chosen = torch.rand(groups, count, experts, generator=generator) < 0.4
    if kind == "no expert takes some tokens":
        chosen[:, ::3] = False
    elif kind == "two experts are empty":
        chosen[..., 1:3] = False
    elif kind == "one token an expert":
        chosen[:] = False
        for token in range(experts):
            chosen[:, token, token] = True
    return q, k, v, torch.rand(groups, count, experts, generator=generator), chosen


@pytest.mark.parametrize("elements", [1, 20, 13 * 13, 13 * 13 * 2])
@pytest.mark.parametrize(
    "kind", ["any", "no expert takes some tokens", "two experts are empty", "one token an expert"]
)
def test_blocks_of_queries_equal_dense_in_value_and_gradient(kind, elements, monkeypatch):
    monkeypatch.setattr(attention, "SCORE_ELEMENTS", elements)
    results = []
    for form in (mora_dense, mora_folded):
        *inputs, chosen = problem(kind)
        for x in inputs:
            x.requires_grad_()
        out = form(*inputs, chosen)
        (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
        results.append([out, *(x.grad for x in inputs)])
        with torch.inference_mode():
            assert torch.allclose(form(*inputs, chosen), out, atol=1e-6)
    for dense, own in zip(*results, strict=True):
        assert torch.allclose(dense, own, atol=1e-5)


@pytest.mark.parametrize("form", [mora_folded, mora_packed])
def test_scores_so_far_apart_that_an_expert_vanishes(form):
    """An expert whose tokens all score hundreds below the others must still attend."""
    results = []
    for way in (mora_dense, form):
        *inputs, chosen = problem("any", scale=15.0)
        inputs = [x.double().requires_grad_() for x in inputs]
        out = way(*inputs, chosen)
        out.sum().backward()
        results.append([out, *(x.grad for x in inputs)])
    scores = inputs[0] @ inputs[1].transpose(1, 2)
    assert (scores.amax(-1) - scores.amin(-1)).max() > 500
    for dense, own in zip(*results, strict=True):
        assert torch.isfinite(own).all()
        assert (dense - own).abs().max() <= 1e-5 * dense.abs().max().clamp_min(1)


def test_folded_weights_sum_to_the_responsibilities_of_the_chosen_experts():
    q, k, _, responsibilities, chosen = problem("any")
    shares = responsibilities * chosen
    weights = fold(q @ k.transpose(1, 2), shares, chosen.float())
    assert torch.allclose(weights.sum(-1), shares.sum(-1), atol=1e-6)
    meet = (chosen[:, :, None] & chosen[:, None]).any(-1)
    assert (weights[~meet] == 0).all() and (weights[meet] > 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", [mora_folded, mora_packed])
def test_half_precision_stays_near_the_exact_result(form, dtype):
    q, k, v, responsibilities, chosen = problem("any")
    exact = mora_dense(q, k, v, responsibilities, chosen)
    rough = form(q.to(dtype), k.to(dtype), v.to(dtype), responsibilities, chosen)
    digits = torch.finfo(dtype).eps
    assert rough.dtype == dtype
    assert (rough - exact).abs().max() < 16 * digits * exact.abs().max()


def test_scores_held_at_a_time_are_bounded(monkeypatch):
    """Neither inference nor training holds more scores than allowed, whatever the number of tokens."""
    monkeypatch.setattr(attention, "SCORE_ELEMENTS", 1000)
    seen = []
    inner = attention.fold
    monkeypatch.setattr(
        attention, "fold", lambda scores, *rest: seen.append(scores.numel()) or inner(scores, *rest)
    )
    *inputs, chosen = problem("any", count=100)
    with torch.inference_mode():
        mora_folded(*inputs, chosen)
    assert max(seen) <= 1000 and sum(seen) == 3 * 100 * 100
    for x in inputs:
        x.requires_grad_()
    held = 0

    def pack(x):
        nonlocal held
        held = max(held, x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        mora_folded(*inputs, chosen).sum()
    assert held <= 3 * 100 * 6, "tokens are kept for the way back, scores are not"


@pytest.mark.parametrize(("stride", "size"), [(8, 8), (8, 12), (8, 20), (8, 28)])
def test_regions_added_up_piece_by_piece_equal_merge(stride, size):
    grid = RegionGrid(21, 30, stride, size)
    regions = torch.randn(2, 3, grid.rows, grid.columns, size, size, dtype=torch.float64)
    window = grid.window(regions.device, regions.dtype)
    rows, columns = grid.blending(regions)
    for image, merged in zip(regions, grid.merge(regions), strict=True):
        total = torch.zeros(3, grid.padded_height, grid.padded_width, dtype=torch.float64)
        weighted = image * (window[:, None] * window)
        grid.add(weighted[:, :1], total)
        grid.add(weighted[:, 1:, :2], total, 1)
        grid.add(weighted[:, 1:, 2:], total, 1, 2)
        inside = total[:, grid.inner_rows, grid.inner_columns]
        assert torch.allclose(inside * rows[:, None] * columns, merged, atol=1e-12)


@pytest.mark.parametrize(("stride", "size"), [(8, 8), (8, 10), (8, 12), (8, 14), (8, 16)])
@pytest.mark.parametrize("heads", [1, 3])
def test_scores_made_of_cells_equal_the_products_of_whole_regions(stride, size, heads):
    grid = RegionGrid(40, 24, stride, size)
    generator = torch.Generator().manual_seed(0)
    shape = (6, grid.padded_height, grid.padded_width)
    q, k = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    q_tokens, k_tokens = (grid.cut(x).reshape(heads, -1, size * size) for x in (q, k))
    assert has_cells(stride, size) and not has_cells(8, 18)
    found = region_scores(q, k, heads, grid.rows, grid.columns, stride, size)
    assert torch.allclose(found, q_tokens @ k_tokens.transpose(1, 2), atol=1e-9)


@pytest.mark.parametrize("gap", [10.0, 25.0, 30.0, 40.0, 50.0, 57.0, 70.0, 100.0])
def test_gradients_of_scores_far_apart(gap: float) -> None:
    """A token of another expert that dwarfs the chosen ones must not turn gradients into NaN."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(1, 4, 6, generator=generator)
    base[..., 0] += gap
    members = torch.tensor([[[1.0, 0], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1]]])
    shares = torch.full((1, 4, 2), 0.5)
    shares[:, 1:, 0] = 0
    values = torch.randn(6, 3, generator=generator)

    def gradients(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        scores, weighed = (x.to(dtype).requires_grad_() for x in (base.clone(), shares.clone()))
        mixed = fold(scores, weighed, members.to(dtype)) @ values.to(dtype)
        mixed.square().sum().backward()
        assert scores.grad is not None and weighed.grad is not None
        return mixed.detach(), scores.grad, weighed.grad

    for ours, exact in zip(gradients(torch.float32), gradients(torch.float64), strict=True):
        assert torch.allclose(ours.double(), exact, atol=1e-5)
