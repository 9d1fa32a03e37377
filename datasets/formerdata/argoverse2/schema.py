"""Names that Argoverse 2's sensor data set uses: categories, columns and their kinds."""

from __future__ import annotations

CATEGORIES = (
    "REGULAR_VEHICLE", "PEDESTRIAN", "BICYCLIST", "MOTORCYCLIST", "WHEELED_RIDER", "BOLLARD", "CONSTRUCTION_CONE",
    "SIGN", "CONSTRUCTION_BARREL", "STOP_SIGN", "MOBILE_PEDESTRIAN_CROSSING_SIGN", "LARGE_VEHICLE", "BUS", "BOX_TRUCK",
    "TRUCK", "VEHICULAR_TRAILER", "TRUCK_CAB", "SCHOOL_BUS", "ARTICULATED_BUS", "MESSAGE_BOARD_TRAILER", "BICYCLE",
    "MOTORCYCLE", "WHEELED_DEVICE", "WHEELCHAIR", "STROLLER", "DOG",
)  # fmt: skip
"""The 26 categories of the detection challenge, in the order in which LION's and HEDNet's configurations number them.

The challenge itself lists them by the alphabet (``SensorCompetitionCategories`` of the ``av2`` package); the published
weights go by this order. The reference writes ``Regular_vehicle``; these are the names in the files.
"""

LEFT_OUT = ("ANIMAL", "OFFICIAL_SIGNALER", "RAILED_VEHICLE", "TRAFFIC_LIGHT_TRAILER")
"""Annotated categories that the challenge leaves out: too few labels."""

ANNOTATION_CATEGORIES = (*CATEGORIES, *LEFT_OUT)
"""All 30 annotated categories; a box's ``categories`` entry is an index into these. Those scored come first."""

CATEGORY_NUMBERS = {name: number for number, name in enumerate(ANNOTATION_CATEGORIES)}

CUBOID = {
    "tx_m": "float", "ty_m": "float", "tz_m": "float", "length_m": "float", "width_m": "float", "height_m": "float",
    "qw": "float", "qx": "float", "qy": "float", "qz": "float",
}  # fmt: skip
"""Columns of a box: centre, sides, and a quaternion (scalar first) from the box's frame to the vehicle's."""

ANNOTATIONS = {"timestamp_ns": "int", "track_uuid": "str", "category": "str", **CUBOID, "num_interior_pts": "int"}
SWEEP = {"x": "single", "y": "single", "z": "single", "intensity": "single"}
DETECTIONS = {"log_id": "str", "timestamp_ns": "int", "category": "str", **CUBOID, "score": "float"}
POSES = {"timestamp_ns": "int", **{name: CUBOID[name] for name in ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")}}
