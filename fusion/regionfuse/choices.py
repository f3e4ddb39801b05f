"""Every choice that the paper leaves open: what was chosen, what else was considered, and why this one.

The same text goes into the card of every weights file. Sizes are those of ``base`` at 480 x 640, dense form,
multiply-accumulates (G = 10^9). "Counted" alternatives were counted, not trained.
"""

from __future__ import annotations

CHOICES: dict[str, str] = {
    "status": "Independent, unofficial re-implementation; the authors have released no code.",
    "size": (
        "`base` has 2,813,030 parameters and 458.13 G multiply-accumulates at 480 x 640 in the dense form "
        "of MoRA (published: 2.82 M and 455.82 G): two encoders 0.11 M, three fusion stages 0.19 M without "
        "and 2.47 M with their routers, decoder 0.24 M. The published 455.82 G pay for at most 1.48 M "
        "parameters that act on every pixel (455.82 G / 307,200 pixels); of the published 2.82 M at least "
        "1.3 M therefore act once a region. Here they are the router MLPs."
    ),
    "width": (
        "C = 32 (so 64 channels inside the RegionFormer blocks). Counted at 2 channels a group: C = 24 with "
        "decoder 48: 2.59 M and 319.3 G; C = 32 with decoder 64: 2.81 M and 458.1 G; C = 48 with decoder "
        "64: 3.17 M and 706.5 G, with decoder 96: 3.43 M and 789.2 G. Only 32 leaves the published "
        "arithmetic to X-Restormer blocks, MoRA and a decoder with blocks of its own. The published size of "
        "a block at width 48 is kept by the block, not by this network."
    ),
    "attention extent": (
        "Channel groups: the 2C channels are split into `heads` groups (base: 32 of 2 channels) and the "
        "regions of the whole image attend to each other within a group. Without groups one product "
        "QK^T costs 416 G at 480 x 640 and C = 32 in the first stage alone, against 455.82 G published for "
        "everything. Counted for the whole network: 1 group 8,802 G, 8 groups 1,266 G, 16 groups 727 G, 32 "
        "groups 458 G, 64 groups 324 G; parameters are about the same. "
        "Consequence: with groups the scores do not explain why R = 16 exhausts 24 GB in the paper. "
        "Tried instead: no groups, but tiles the size of a training patch at test time (then with gamma = "
        "1/6, 1/3, 1/2 and 92 hidden units in the router); that fits both published figures, but leaves "
        "visible steps at the tile borders. Images beyond `reach` (base: 672 pixels a side, so not 480 x "
        "640) are attended to in overlapping tiles that are blended, so that cost and memory grow linearly "
        "with the area."
    ),
    "overlap": (
        "gamma = 1/2, 3/4, 1 for the three stages (R = 72, 84, 96 at R_o = 48); regions are placed "
        "every R_o pixels and grow by (R - R_o)/2 on all sides, mirrored at the image border. The paper says "
        "only that gamma grows with depth. Tried first: 1/8, 1/4, 3/8 with 16 groups, 106 hidden units in "
        "the router and an MLP 4 times as wide, which also meets the published size (2.83 M, 456.2 G); but "
        "after some thousand steps of training flat, ambiguous areas such as a bright sky turned into "
        "visible squares, as neighbouring regions that are routed differently met in a ramp of only 4 to 12 "
        "pixels. At gamma = 1 every pixel blends its neighbouring regions. Counted, all else as here: gamma "
        "= 0 throughout 1.27 M and 268.8 G; 1/4, 1/2, 3/4: 2.22 M and 385.0 G."
    ),
    "region reshaping": (
        "Overlapping regions are blended by a raised-cosine ramp over the overlap, normalised to a "
        "partition of unity, so that reshaping inverts the embedding exactly and leaves no seams. The paper "
        "calls it the inverse of the embedding; with overlap that does not say how copies of a pixel are "
        "joined."
    ),
    "mask": (
        "The formula, Softmax(M_e * Q K^T / alpha) V, multiplies the scores by the 0/1 mask before the "
        "softmax, which literally leaves exp(0) = 1 for every token outside: they take part with equal "
        "weight, and a token outside the expert gets the mean of all values. Here the softmax runs over the "
        "chosen tokens only, as the text means it, and only so can tokens outside be left out of the "
        "arithmetic. The literal form is kept: `mask: literal` trains and runs with it, "
        "`attention_form('literal')` computes any network with it."
    ),
    "responsibilities": (
        "Softmax over all E experts before the top-k, as in the figure, and not renormalised over the "
        "chosen ones: otherwise the router would get no gradient from the image losses at k = 1."
    ),
    "alpha": (
        "alpha = R exp(a) with one learnt scalar a per group, 0 at the start: R = sqrt(token length), as in "
        "scaled dot-product attention; exp keeps it positive."
    ),
    "router": (
        "Two MLPs (R^2 -> hidden -> E, GELU), shared by all channels, on the region tokens of the "
        "normalised input of MoRA; noise = randn * (softplus(second MLP) + 0.01), in training only. "
        "One hidden layer of 53 units: the size that, with all else fixed, gives the published number of "
        "parameters. Counted: 32 units 1.91 M and 454.1 G, 53: 2.81 M and 458.1 G, 64: 3.29 M and 460.2 G. "
        "As the token length enters, parameters depend on the region size: R_o = 64: 4.58 M, 32: 1.55 M, "
        "16: 0.79 M. The floor of 0.01 keeps the smooth load differentiable."
    ),
    "load loss": (
        "Squared coefficient of variation of the importance (sum of responsibilities of the chosen "
        "experts) plus that of the smooth load (Shazeer et al. 2017, eq. 8-11), over all tokens of the "
        "batch, mean over the stages. The paper cites that work and gives one weight, so both parts have it."
    ),
    "X-Restormer block": (
        "Bias-free; transposed attention, then overlapping-window attention (window 8, keys 12 x 12, "
        "learnt relative positions, one head of 16 channels per 32 of width), each followed by a gated "
        "depth-wise FFN of expansion 2.66. At width 48 with one head: 55,853 parameters, as published "
        "for the block, and 98,954 at width 64 with two. Counted in this network: heads of 32 channels "
        "2.84 M and 477.9 G."
    ),
    "norm": "LayerNorm over channels at each pixel, as in X-Restormer.",
    "RegionFormer MLP": (
        "Two 1x1 convolutions with GELU, hidden 4.75 times as wide: about the usual 4, and the last bit to "
        "the published size. Counted: 4 times 2.79 M and 452.5 G, twice 2.74 M and 437.4 G."
    ),
    "RFCM": (
        "Uses the overlapping regions of its stage; the per-region gates are blended in the overlap "
        "before they multiply the features (away from the overlap this is the figure's order of "
        "operations), so that no border shows. LeakyReLU slope 0.2."
    ),
    "decoder": (
        "3x3 convolution to `decoder_width` (base: 64), X-Restormer blocks (base: 2), 3x3 convolution to C, "
        "LeakyReLU, 3x3 convolution to one channel, added to the mean of the two input images; "
        "the last convolution starts near zero, so that an untrained network returns about the average. "
        "The paper does not describe it; two blocks mirror the encoders, and width 64 takes what the "
        "published arithmetic leaves. Counted: no block 2.62 M and 388.7 G, 1 block 2.71 M and 423.4 G, 4 "
        "blocks 3.01 M and 527.6 G; 2 blocks of width 48 2.72 M and 425.9 G, of width 96 3.06 M and 539.9 G."
    ),
    "range": (
        "The output is clipped to [0, 1] in evaluation only. In training it is not: a clipped pixel would "
        "have no gradient to come back by."
    ),
    "padding": "Images are mirrored up to multiples of the window (8) for the network, of R_o inside MoRA.",
    "losses": (
        "|gradient| is |G_x| + |G_y| of Sobel's kernels, as in most fusion losses; the paper writes "
        "|grad I|. The neighbourhood of the intensity mask is R_o x R_o."
    ),
    "ablations": (
        "Restormer encoder: two Restormer blocks for each X-Restormer block, the same number of attentions "
        "and feed-forward networks (2.82 M, 458.1 G). X-Restormer off: `encoder: convolution`, two residual "
        "3x3 convolutions with LeakyReLU for each block (2.78 M, 438.9 G), with `decoder_blocks: 0` also in "
        "the decoder (2.58 M, 369.4 G). Plain attention: one softmax over all tokens of a group, no router "
        "(0.54 M, 286.4 G). Plain convolution: RFCM without its gates, a 1x1 convolution with LeakyReLU, as "
        "a larger kernel would change more than the gates (2.80 M, 457.3 G). Sample-level routing: a learnt "
        "1x1 convolution and adaptive average pooling turn the image into one token of R x R cells, whose "
        "experts and responsibilities all region tokens share (2.81 M, 448.0 G); the plain mean over "
        "channels is 0 everywhere behind a fresh LayerNorm. As the experts share Q, K and V, the output "
        "of MoRA is then plain attention times the sum of the kept responsibilities."
    ),
}
"""What the paper leaves open and what was chosen; goes into the card of every weights file."""
