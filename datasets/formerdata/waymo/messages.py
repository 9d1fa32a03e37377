"""Fields of the protobuf messages of Waymo's v1 release and of its evaluation, as far as they are read here.

Numbers and kinds are those of the data set's public ``dataset.proto``, ``label.proto`` and ``metrics.proto``. Fields
that are not listed (camera images and their labels, key points, maps) are skipped in reading.
"""

from __future__ import annotations

from formerdata.waymo.wire import Schema

BOX_FIELDS = ("center_x", "center_y", "center_z", "length", "width", "height", "heading")
"""In the order of our boxes; the file holds width before length."""
BOX: Schema = {number: (name, "double") for number, name in zip((1, 2, 3, 5, 4, 6, 7), BOX_FIELDS, strict=True)}

MOTION_FIELDS = ("speed_x", "speed_y", "speed_z", "accel_x", "accel_y", "accel_z")
MOTION: Schema = {
    number: (name, "double") for number, name in zip((1, 2, 5, 3, 4, 6), MOTION_FIELDS, strict=True)
}  # z came later

LABEL: Schema = {
    1: ("box", "message"), 2: ("metadata", "message"), 3: ("type", "int"), 4: ("id", "text"),
    5: ("detection_difficulty_level", "int"), 6: ("tracking_difficulty_level", "int"),
    7: ("num_lidar_points_in_box", "int"), 13: ("num_top_lidar_points_in_box", "int"),
}  # fmt: skip
POLYGON: Schema = {1: ("x", "doubles"), 2: ("y", "doubles"), 3: ("id", "text")}
TRANSFORM: Schema = {1: ("transform", "doubles")}

FRAME: Schema = {
    1: ("context", "message"), 2: ("timestamp_micros", "int"), 3: ("pose", "message"), 5: ("lasers", "message"),
    6: ("laser_labels", "message"), 7: ("no_label_zones", "message"),
}  # fmt: skip
CONTEXT: Schema = {1: ("name", "text"), 3: ("laser_calibrations", "message"), 4: ("stats", "message")}
LASER_CALIBRATION: Schema = {
    1: ("name", "int"), 2: ("beam_inclinations", "doubles"), 3: ("beam_inclination_min", "double"),
    4: ("beam_inclination_max", "double"), 5: ("extrinsic", "message"),
}  # fmt: skip
STATS: Schema = {
    1: ("laser_object_counts", "message"), 2: ("time_of_day", "text"), 3: ("location", "text"), 4: ("weather", "text"),
}  # fmt: skip
OBJECT_COUNT: Schema = {1: ("type", "int"), 2: ("count", "int")}

LASER: Schema = {1: ("name", "int"), 2: ("ri_return1", "message"), 3: ("ri_return2", "message")}
RANGE_IMAGE: Schema = {
    2: ("range_image_compressed", "bytes"), 4: ("range_image_pose_compressed", "bytes"),
    6: ("segmentation_label_compressed", "bytes"),
}  # fmt: skip
MATRIX_FLOAT: Schema = {1: ("data", "floats"), 2: ("shape", "message")}
MATRIX_INT: Schema = {1: ("data", "ints"), 2: ("shape", "message")}
SHAPE: Schema = {1: ("dims", "ints")}
"""Images are compressed by zlib: [H, W, 4] of ranges and [H, W, 6] of poses are ``MatrixFloat``, [H, W, 2] of labels
``MatrixInt32``."""
