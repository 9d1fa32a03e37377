"""Names of nuScenes: tables, detection classes and the categories in them, attributes."""

from __future__ import annotations

TABLES = (
    "attribute", "calibrated_sensor", "category", "ego_pose", "instance", "log", "map", "sample", "sample_annotation",
    "sample_data", "scene", "sensor", "visibility",
)  # fmt: skip
"""The tables of a version; each is a file ``VERSION/NAME.json``."""

USED_TABLES = (
    "scene", "sample", "sensor", "calibrated_sensor", "sample_data", "ego_pose", "category", "attribute", "instance",
    "sample_annotation",
)  # fmt: skip
"""The tables that detection needs."""

LIDAR_TOP = "LIDAR_TOP"
"""Channel of the one LiDAR."""

CLASS_NAMES = (
    "car", "truck", "construction_vehicle", "bus", "trailer", "barrier", "motorcycle", "bicycle", "pedestrian",
    "traffic_cone",
)  # fmt: skip
"""The classes of the detection task, in the order of the usual configurations (OpenPCDet's, LION's). An object's label
is its place here, from 1 on."""

CLASS_OF_CATEGORY = {
    "movable_object.barrier": "barrier",
    "movable_object.trafficcone": "traffic_cone",
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.police_officer": "pedestrian",
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.motorcycle": "motorcycle",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
}
"""Class of each category that is detected; wheelchairs, strollers, animals, ambulances and the like are not."""

RACK = "static_object.bicycle_rack"
"""Category of places full of bicycles: bicycles and motorcycles in one are not scored."""

ATTRIBUTES = (
    "cycle.with_rider", "cycle.without_rider", "pedestrian.moving", "pedestrian.standing",
    "pedestrian.sitting_lying_down", "vehicle.moving", "vehicle.parked", "vehicle.stopped",
)  # fmt: skip
"""States of objects; an object has one or none."""

MAX_BOXES = 500
"""Most detections of a sample that the official evaluation takes."""
