"""Every choice that the paper leaves open: what was chosen, what was tried, and why.

The same text goes into the card of every weights file.
"""

from __future__ import annotations

CHOICES: dict[str, str] = {
    "status": "Independent, unofficial re-implementation; the authors have released no code.",
    "size": (
        "At 480 x 640 the published 455.82 G multiply-accumulates pay for at most 1.48 M parameters "
        "that act on every pixel; of the published 2.82 M at least 1.3 M therefore act per region. Here "
        "they are the router MLPs."
    ),
    "attention extent": (
        "Channel groups: the 2C channels are split into `heads` groups (base: 16 of 4 channels) and the "
        "regions of the whole image attend to each other within a group. Without groups one product "
        "QK^T costs 185 G at 480 x 640 and C = 32, against 455.82 G published for everything. "
        "Consequence: with groups the scores do not explain why R = 16 exhausts 24 GB in the paper. "
        "Tried instead: no groups, but tiles the size of a training patch at test time; that fits both "
        "published figures, but leaves visible steps at the tile borders. Images beyond `reach` (base: "
        "672 pixels a side, so not 480 x 640) are attended to in overlapping tiles that are blended, so "
        "that cost and memory grow linearly with the area."
    ),
    "overlap": (
        "gamma = 1/8, 1/4, 3/8 for the three stages (R = 54, 60, 66 at R_o = 48); regions are placed "
        "every R_o pixels and grow by (R - R_o)/2 on all sides, mirrored at the image border."
    ),
    "region reshaping": (
        "Overlapping regions are blended by a raised-cosine ramp over the overlap, normalised to a "
        "partition of unity, so that reshaping inverts the embedding exactly and leaves no seams."
    ),
    "mask": (
        "The formula multiplies the scores by the 0/1 mask before the softmax, which literally leaves "
        "exp(0) = 1 for every token outside. Here the softmax runs over the chosen tokens only, as the "
        "text means it; the literal form is kept as `literal`."
    ),
    "responsibilities": (
        "Softmax over all E experts before the top-k, as in the figure, and not renormalised over the "
        "chosen ones: otherwise the router would get no gradient from the image losses at k = 1."
    ),
    "alpha": "alpha = R exp(a) with one learnt scalar a per head, 0 at the start: R = sqrt(token length).",
    "router": (
        "Two MLPs (R^2 -> hidden -> E, GELU), shared by all channels, on the region tokens of the "
        "normalised input of MoRA; noise = randn * (softplus(second MLP) + 0.01), in training only."
    ),
    "load loss": (
        "Squared coefficient of variation of the importance (sum of responsibilities of the chosen "
        "experts) plus that of the smooth load (Shazeer et al. 2017, eq. 8-11), over all tokens of the "
        "batch, mean over the stages."
    ),
    "X-Restormer block": (
        "Bias-free; transposed attention, then overlapping-window attention (window 8, keys 12 x 12, "
        "learnt relative positions, one head of 16 channels per 32 of width), each followed by a gated "
        "depth-wise FFN of expansion 2.66. At width 48 with one head: 55,853 parameters, as published "
        "for the block."
    ),
    "norm": "LayerNorm over channels at each pixel.",
    "RFCM": (
        "Uses the overlapping regions of its stage; the per-region gates are blended in the overlap "
        "before they multiply the features (away from the overlap this is the figure's order of "
        "operations). LeakyReLU slope 0.2."
    ),
    "decoder": (
        "3x3 convolution to `decoder_width`, X-Restormer blocks, 3x3 convolution to C, LeakyReLU, 3x3 "
        "convolution to one channel, added to the mean of the two input images and clipped to [0, 1]; "
        "the last convolution starts near zero, so that an untrained network returns about the average."
    ),
    "padding": "Images are mirrored up to multiples of the window (8) for the network, of R_o inside MoRA.",
}
"""What the paper leaves open and what was chosen; goes into the card of every weights file."""
