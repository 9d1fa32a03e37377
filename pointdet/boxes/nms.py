"""Non-maximum suppression of rotated boxes by their bird's-eye overlap."""

from __future__ import annotations

import torch
from torch import Tensor


def rotated_nms(
    boxes: Tensor, scores: Tensor, threshold: float, *, max_pre: int | None = None, max_post: int | None = None
) -> Tensor:
    """Greedy suppression, best first: a box goes if it overlaps a kept one by more than ``threshold``.

    It runs on the CPU: a few thousand boxes, one after another. Tensors of another device make the trip.

    Args:
        boxes: [N, 7] (x, y, z, dx, dy, dz, heading), or [N, 9] with velocities behind, which do not count.
        scores: [N].
        threshold: Intersection over union.
        max_pre: Only the best of these enter. max_post: At most as many are kept.

    Returns:
        Indices [K] int64 of the kept boxes, best first, on the boxes' device.

    Raises:
        ValueError: On shapes that do not agree.
    """
    from pointdet.boxes import overlap_kernels

    if boxes.ndim != 2 or boxes.shape[1] not in (7, 9) or scores.shape != boxes.shape[:1]:
        raise ValueError(
            f"rotated_nms: expected boxes [N, 7] or [N, 9] and scores [N], "
            f"got {tuple(boxes.shape)} and {tuple(scores.shape)}"
        )
    order = scores.argsort(descending=True, stable=True)
    if max_pre is not None:
        order = order[:max_pre]
    plans = boxes[order][:, [0, 1, 3, 4, 6]].detach().double().cpu().contiguous()
    most = len(plans) if max_post is None else min(max_post, len(plans))
    kept = torch.empty(max(most, 1), dtype=torch.int64)
    count = overlap_kernels.suppress(plans.numpy(), float(threshold), most, kept.numpy()) if most else 0
    return order[kept[:count].to(order.device)]


def rotated_nms_per_class(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    thresholds: dict[int, float],
    *,
    max_pre: int | None = None,
    max_post: int | None = None,
) -> Tensor:
    """Suppression inside each class with its own threshold: indices [K], best first.

    Args:
        boxes: [N, 7] or [N, 9]. scores: [N]. labels: [N] int64.
        thresholds: Of each label; boxes of labels without one are all kept.
        max_pre, max_post: Of each class.
    """
    kept = []
    for label in labels.unique().tolist():
        own = (labels == label).nonzero()[:, 0]
        if label in thresholds:
            own = own[rotated_nms(boxes[own], scores[own], thresholds[label], max_pre=max_pre, max_post=max_post)]
        kept.append(own)
    every = torch.cat(kept) if kept else labels.new_zeros(0)
    return every[scores[every].argsort(descending=True, stable=True)]
