"""Where scans come from: each class reads a data set, scores detections by its rules and writes its files."""

from pointdet.sources.argoverse2 import Argoverse2
from pointdet.sources.base import Found, Score, Source
from pointdet.sources.kitti import KITTI
from pointdet.sources.nuscenes import NuScenes
from pointdet.sources.once import ONCE
from pointdet.sources.waymo import Waymo

SOURCES: tuple[type[Source], ...] = (KITTI, Waymo, NuScenes, Argoverse2, ONCE)

__all__ = ["KITTI", "ONCE", "SOURCES", "Argoverse2", "Found", "NuScenes", "Score", "Source", "Waymo"]
