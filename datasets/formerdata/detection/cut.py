"""What of a scan a detector sees: points and boxes in its range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from formerdata.detection.sample import Sample

Range = tuple[float, float, float, float, float, float]
"""Lower (x, y, z), upper (x, y, z), m."""


def cut_points(sample: Sample, limits: Range) -> Sample:
    """Points in the range of x and y, ends included; in z the voxels cut."""
    x0, y0, _, x1, y1, _ = limits
    x, y = sample.points[:, 0], sample.points[:, 1]
    return replace(sample, points=sample.points[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)])


def cut_heights(sample: Sample, limits: Range) -> Sample:
    """Points in the range of z, ends included."""
    z = sample.points[:, 2]
    return replace(sample, points=sample.points[(z >= limits[2]) & (z <= limits[5])])


def cut_for_training(sample: Sample, limits: Range, generator: np.random.Generator) -> Sample:
    """As :func:`cut_points`, in a random order, and boxes whose centre is in the range of x, y and z."""
    points = cut_points(sample, limits).points
    centres = sample.boxes[:, :3]
    inside = np.all((centres >= np.array(limits[:3])) & (centres <= np.array(limits[3:])), axis=1)
    return replace(
        sample, points=points[generator.permutation(len(points))], boxes=sample.boxes[inside],
        labels=sample.labels[inside],
    )  # fmt: skip
