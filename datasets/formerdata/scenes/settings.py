"""What a caller can choose about the built-in scenes."""

from __future__ import annotations

from dataclasses import dataclass, field

from formerdata.scenes.lidar import Sensor


@dataclass(frozen=True)
class SceneSettings:
    """Settings of the generator. The same settings, seed and number give the same scene, byte for byte.

    Attributes:
        traffic: Factor on the number of cars, vans and trucks.
        people: Factor on the number of pedestrians and cyclists.
        clutter: Factor on trees, hedges, poles, bins and the like.
        label_range: Objects farther away than this become DontCare, m.
        sensor: The laser scanner.
    """

    traffic: float = 1.0
    people: float = 1.0
    clutter: float = 1.0
    label_range: float = 75.0
    sensor: Sensor = field(default_factory=Sensor)

    def __post_init__(self) -> None:
        for name in ("traffic", "people", "clutter"):
            if not 0.0 <= getattr(self, name) <= 5.0:
                raise ValueError(f"SceneSettings.{name} is a factor between 0 and 5, got {getattr(self, name)}")
        if self.label_range <= 0.0:
            raise ValueError(f"SceneSettings.label_range is in metres and positive, got {self.label_range}")
