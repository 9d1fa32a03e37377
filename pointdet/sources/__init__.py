"""Where scans come from: each class reads a data set, scores detections by its rules and writes its files."""

from pointdet.sources.base import Found, Score, Source
from pointdet.sources.kitti import KITTI
from pointdet.sources.waymo import Waymo

SOURCES: tuple[type[Source], ...] = (KITTI, Waymo)

__all__ = ["KITTI", "SOURCES", "Found", "Score", "Source", "Waymo"]
