"""What is known of each baseline: the facts of its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNLICENSED = "none stated (all rights reserved)"


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a method, for its card.

    Attributes:
        title: name in tables.
        citation: one line, as in a list of references.
        bibtex: the same as a BibTeX entry.
        year: of publication.
        code_license: of the authors' code, none of which is used here.
        weights_license: of the authors' weights, as their page states it.
        trained_on: data sets that the authors' weights were trained on; ``unknown``: it is not known here.
        weights_from: where the authors publish them: title of the page and name of the file.
        published: what the authors' scripts do around the network, unlike the harness.
        stride: height and width are padded to multiples of this in fair mode.
        sha256: SHA-256 of the published file, where it is known.
    """

    title: str
    citation: str
    bibtex: str
    year: int
    code_license: str
    weights_license: str
    trained_on: tuple[str, ...]
    weights_from: str
    published: str
    stride: int = 1
    sha256: str = ""


def _bibtex(kind: str, key: str, **fields: str) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}"


FACTS: Mapping[str, Facts] = {
    "piafusion": Facts(
        title="PIAFusion",
        citation="L. Tang, J. Yuan, H. Zhang, X. Jiang and J. Ma, PIAFusion: A progressive infrared and "
        "visible image fusion network based on illumination aware, Information Fusion 83-84:79-92, 2022",
        bibtex=_bibtex(
            "article",
            "tang2022piafusion",
            author="Tang, Linfeng and Yuan, Jiteng and Zhang, Hao and Jiang, Xingyu and Ma, Jiayi",
            title="{PIAFusion}: A progressive infrared and visible image fusion network based on "
            "illumination aware",
            journal="Information Fusion",
            volume="83--84",
            pages="79--92",
            year="2022",
        ),
        year=2022,
        code_license=UNLICENSED,
        weights_license=UNLICENSED,
        trained_on=("MSRS",),
        weights_from="the repository PIAFusion_pytorch, file pretrained/fusion_model_epoch_29.pth",
        published="chroma by the 0.713 formula, 8 bits by truncation",
    ),
    "piafusion-xrestormer": Facts(
        title="PIAFusion (X-Restormer)",
        citation="PIAFusion (Information Fusion 83-84:79-92, 2022) with X-Restormer blocks (X. Chen et al., "
        "ECCV Workshops 2024) for an encoder, as in the supplement of RegionFuse, Table 5",
        bibtex="",
        year=2026,
        code_license="MIT (X-Restormer), none stated (PIAFusion)",
        weights_license="",
        trained_on=(),
        weights_from="nobody; `regionfuse train --method piafusion --network encoder=xrestormer` makes them",
        published="as PIAFusion: chroma by the 0.713 formula, 8 bits by truncation",
        stride=8,
    ),
    "cddfuse": Facts(
        title="CDDFuse",
        citation="Z. Zhao, H. Bai, J. Zhang, Y. Zhang, S. Xu, Z. Lin, R. Timofte and L. Van Gool, CDDFuse: "
        "Correlation-driven dual-branch feature decomposition for multi-modality image fusion, CVPR 2023",
        bibtex=_bibtex(
            "inproceedings",
            "zhao2023cddfuse",
            author="Zhao, Zixiang and Bai, Haowen and Zhang, Jiangshe and Zhang, Yulun and Xu, Shuang and "
            "Lin, Zudi and Timofte, Radu and Van Gool, Luc",
            title="{CDDFuse}: Correlation-driven dual-branch feature decomposition for multi-modality image "
            "fusion",
            booktitle="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            year="2023",
        ),
        year=2023,
        code_license=UNLICENSED,
        weights_license=UNLICENSED,
        trained_on=("MSRS",),
        weights_from="the repository MMIF-CDDFuse, file models/CDDFuse_IVF.pth",
        published="rounded grey in, grey out, stretched to its minimum and maximum",
    ),
    "ddfm": Facts(
        title="DDFM",
        citation="Z. Zhao, H. Bai, Y. Zhu, J. Zhang, S. Xu, Y. Zhang, K. Zhang, D. Meng, R. Timofte and L. "
        "Van Gool, DDFM: Denoising diffusion model for multi-modality image fusion, ICCV 2023",
        bibtex=_bibtex(
            "inproceedings",
            "zhao2023ddfm",
            author="Zhao, Zixiang and Bai, Haowen and Zhu, Yuanzhi and Zhang, Jiangshe and Xu, Shuang and "
            "Zhang, Yulun and Zhang, Kai and Meng, Deyu and Timofte, Radu and Van Gool, Luc",
            title="{DDFM}: Denoising diffusion model for multi-modality image fusion",
            booktitle="IEEE/CVF International Conference on Computer Vision",
            pages="8082--8093",
            year="2023",
        ),
        year=2023,
        code_license=UNLICENSED,
        weights_license="not stated with the file; see the repository guided-diffusion",
        trained_on=("ImageNet",),
        weights_from="OpenAI's repository guided-diffusion, file 256x256_diffusion_uncond.pt",
        published="rounded grey in, visible and infrared exchanged, grey out, stretched to its minimum and "
        "maximum (where the script crops to multiples of 32, this pads and crops back)",
        stride=32,
    ),
    "ship": Facts(
        title="SHIP",
        citation="N. Zheng, M. Zhou, J. Huang, J. Hou, H. Li, Y. Xu and F. Zhao, Probing synergistic "
        "high-order interaction in infrared and visible image fusion, CVPR 2024",
        bibtex=_bibtex(
            "inproceedings",
            "zheng2024ship",
            author="Zheng, Naishan and Zhou, Man and Huang, Jie and Hou, Junming and Li, Haoying and "
            "Xu, Yuan and Zhao, Feng",
            title="Probing synergistic high-order interaction in infrared and visible image fusion",
            booktitle="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            pages="26384--26395",
            year="2024",
        ),
        year=2024,
        code_license=UNLICENSED,
        weights_license=UNLICENSED,
        trained_on=("M3FD",),
        weights_from="the repository SHIP, file pretrained_model/SHIP_model.pth",
        published="chroma by the 0.713 formula",
        sha256="e61783e79144d5c9da6681b833ad64624ed2e61f6a533fd18ab896349e3f7329",
    ),
    "dcevo": Facts(
        title="DCEvo",
        citation="J. Liu, B. Zhang, Q. Mei, X. Li, Y. Zou, Z. Jiang, L. Ma, R. Liu and X. Fan, DCEvo: "
        "Discriminative cross-dimensional evolutionary learning for infrared and visible image fusion, "
        "CVPR 2025",
        bibtex=_bibtex(
            "inproceedings",
            "liu2025dcevo",
            author="Liu, Jinyuan and Zhang, Bowei and Mei, Qingyun and Li, Xingyuan and Zou, Yang and "
            "Jiang, Zhiying and Ma, Long and Liu, Risheng and Fan, Xin",
            title="{DCEvo}: Discriminative cross-dimensional evolutionary learning for infrared and visible "
            "image fusion",
            booktitle="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            year="2025",
        ),
        year=2025,
        code_license=UNLICENSED,
        weights_license=UNLICENSED,
        trained_on=("unknown",),
        weights_from="the repository DCEvo, file ckpt/DCEvo_fusion.pth",
        published="8-bit grey in, grey out, 8 bits by truncation",
    ),
    "sage": Facts(
        title="SAGE",
        citation="G. Wu, H. Liu, H. Fu, Y. Peng, J. Liu, X. Fan and R. Liu, Every SAM drop counts: "
        "Embracing semantic priors for multi-modality image fusion and beyond, CVPR 2025",
        bibtex=_bibtex(
            "inproceedings",
            "wu2025sage",
            author="Wu, Guanyao and Liu, Haoyu and Fu, Hongming and Peng, Yichuan and Liu, Jinyuan and "
            "Fan, Xin and Liu, Risheng",
            title="Every {SAM} drop counts: Embracing semantic priors for multi-modality image fusion and "
            "beyond",
            booktitle="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            pages="17882--17891",
            year="2025",
        ),
        year=2025,
        code_license="MIT",
        weights_license="MIT",
        trained_on=("FMB",),
        weights_from="the repository SAGE_IVIF, file checkpoints/checkpoints.pt",
        published="planes of 8 bits in, chroma by the 0.713 formula",
        sha256="ecfde477ca4cd65401f207d5dc91ce6c475a49891d768dbdb7a66366255ee836",
    ),
    "a2rnet": Facts(
        title="A2RNet",
        citation="J. Li, H. Yu, J. Chen, X. Ding, J. Wang, J. Liu, B. Zou and H. Ma, A2RNet: Adversarial "
        "attack resilient network for robust infrared and visible image fusion, AAAI 2025",
        bibtex=_bibtex(
            "inproceedings",
            "li2025a2rnet",
            author="Li, Jiawei and Yu, Hongwei and Chen, Jiansheng and Ding, Xinlong and Wang, Jintong and "
            "Liu, Jinyuan and Zou, Bochao and Ma, Huimin",
            title="{A$^2$RNet}: Adversarial attack resilient network for robust infrared and visible image "
            "fusion",
            booktitle="AAAI Conference on Artificial Intelligence",
            pages="4770--4778",
            year="2025",
        ),
        year=2025,
        code_license="MIT",
        weights_license="MIT",
        trained_on=("unknown",),
        weights_from="the repository A2RNet, which links the file model/model.pth",
        published="chroma by the 0.713 formula, the RGB image stretched to its minimum and maximum, 8 bits "
        "by truncation (without the attack that the script always runs)",
        stride=16,
    ),
}
