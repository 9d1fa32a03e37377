"""Names and shapes in the reference's models of which no checkpoint is at hand, as its authors name them."""

from __future__ import annotations

Shapes = dict[str, tuple[int, ...]]


def norm(prefix: str, width: int, *, batch: bool = True) -> Shapes:
    entries: Shapes = {f"{prefix}.weight": (width,), f"{prefix}.bias": (width,)}
    if batch:
        entries |= {f"{prefix}.running_mean": (width,), f"{prefix}.running_var": (width,)}
        entries[f"{prefix}.num_batches_tracked"] = ()
    return entries


def convolution(prefix: str, *shape: int, bias: bool = True) -> Shapes:
    return {f"{prefix}.weight": shape} | ({f"{prefix}.bias": shape[:1]} if bias else {})


def branch(prefix: str, width: int, out: int, *, kind: str = "conv2d", bias: bool = False) -> Shapes:
    """One quantity of a head."""
    hidden, last = {
        "conv2d": ((width, width, 3, 3), (out, width, 3, 3)),
        "conv1d": ((width, 128, 1), (out, width, 1)),
        "sparse": ((width, 3, 3, width), (out, 1, 1, width)),
    }[kind]
    return (
        convolution(f"{prefix}.0.0", *hidden, bias=bias)
        | norm(f"{prefix}.0.1", width)
        | convolution(f"{prefix}.1", *last)
    )


def residual_bev(prefix: str = "backbone_2d") -> Shapes:
    """Waymo's and nuScenes' 2D backbone: stages of 1, 2 and 2 basic blocks after their first."""
    entries: Shapes = {}
    width = 128
    for stage, (blocks, out) in enumerate(((2, 128), (3, 128), (3, 256))):
        for n in range(blocks):
            at = f"{prefix}.blocks.{stage}.{n}"
            entries |= convolution(f"{at}.conv1", out, width, 3, 3, bias=False) | norm(f"{at}.bn1", out)
            entries |= convolution(f"{at}.conv2", out, out, 3, 3, bias=False) | norm(f"{at}.bn2", out)
            if n == 0:
                entries |= convolution(f"{at}.downsample_layer.0", out, width, 1, 1, bias=False)
                entries |= norm(f"{at}.downsample_layer.1", out)
            width = out
        entries |= {f"{prefix}.deblocks.{stage}.0.weight": (out, 128, 2, 2)} | norm(f"{prefix}.deblocks.{stage}.1", 128)
    return entries


def centre_head(classes: int = 3, *, bias: bool = False) -> Shapes:
    at = "dense_head"
    entries = convolution(f"{at}.shared_conv.0", 64, 384, 3, 3, bias=bias) | norm(f"{at}.shared_conv.1", 64)
    for name, out in {"center": 2, "center_z": 1, "dim": 3, "rot": 2, "iou": 1, "hm": classes}.items():
        entries |= branch(f"{at}.heads_list.0.{name}", 64, out, bias=bias)
    return entries


def sparse_centre_head() -> Shapes:
    entries: Shapes = {}
    for group, classes in enumerate((1, 4, 6, 9, 5, 1)):
        for name, out in {"center": 2, "center_z": 1, "dim": 3, "rot": 2, "heatmap": classes}.items():
            entries |= branch(f"dense_head.heads_list.{group}.{name}", 128, out, kind="sparse")
    return entries


def transfusion_head(classes: int = 10) -> Shapes:
    at = "dense_head"
    entries = convolution(f"{at}.shared_conv", 128, 384, 3, 3)
    entries |= convolution(f"{at}.heatmap_head.0.conv", 128, 128, 3, 3) | norm(f"{at}.heatmap_head.0.bn", 128)
    entries |= convolution(f"{at}.heatmap_head.1", classes, 128, 3, 3)
    entries |= convolution(f"{at}.class_encoding", 128, classes, 1)
    for attention in ("self_attn", "multihead_attn"):
        entries |= {
            f"{at}.decoder.{attention}.in_proj_weight": (384, 128),
            f"{at}.decoder.{attention}.in_proj_bias": (384,),
        }
        entries |= convolution(f"{at}.decoder.{attention}.out_proj", 128, 128)
    entries |= convolution(f"{at}.decoder.linear1", 256, 128) | convolution(f"{at}.decoder.linear2", 128, 256)
    for i in (1, 2, 3):
        entries |= norm(f"{at}.decoder.norm{i}", 128, batch=False)
    for kind in ("self", "cross"):
        place = f"{at}.decoder.{kind}_posembed.position_embedding_head"
        entries |= (
            convolution(f"{place}.0", 128, 2, 1) | norm(f"{place}.1", 128) | convolution(f"{place}.3", 128, 128, 1)
        )
    for name, out in {"center": 2, "height": 1, "dim": 3, "rot": 2, "vel": 2, "iou": 1, "heatmap": classes}.items():
        entries |= branch(f"{at}.prediction_head.{name}", 64, out, kind="conv1d", bias=True)
    return entries


def ground_layers(block: list[str]) -> Shapes:
    """What Argoverse 2's backbone has beyond the others; ``block`` are the names inside an RNN block."""
    at = "backbone_3d.dow_out"
    entries: Shapes = {f"{at}.sub_conv.0.weight": (128, 3, 3, 3, 128)}
    entries |= norm(f"{at}.sub_conv.1", 128, batch=False) | norm(f"{at}.norm", 128, batch=False)
    for layer in (1, 2, 3):
        for direction in (0, 1):
            entries |= {f"backbone_3d.linear_bev{layer}.blocks.{direction}.{name}": (128,) for name in block}
    return entries
