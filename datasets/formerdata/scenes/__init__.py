"""Built-in LiDAR road scenes, ray-cast and written in KITTI's own layout: data to start with, without a download."""

from formerdata.scenes.generate import generate
from formerdata.scenes.settings import SceneSettings

__all__ = ["SceneSettings", "generate"]
