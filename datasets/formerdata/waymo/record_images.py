"""The range images of a v1 frame: found at once, decompressed when they are asked for."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from formerdata.waymo import messages
from formerdata.waymo.range_image import CHANNELS
from formerdata.waymo.schema import LASERS
from formerdata.waymo.wire import Schema, Span, fields
from formerkit.io import DataError

MAX_IMAGE = 1 << 27
"""Bytes of a decompressed image; the largest of Waymo, 64 by 2650 poses, has 4 million."""


@dataclass(frozen=True)
class PackedImages:
    """The compressed images of one scanner.

    Attributes:
        laser: Scanner 1 to 5.
        span: The message, for errors.
        returns: For return 1 and 2 the compressed content by the name of its field.
    """

    laser: int
    span: Span
    returns: Mapping[int, Mapping[str, bytes]]

    def values(self, number: int) -> np.ndarray | None:
        """[H, W, 4] float32 of a return, or None."""
        return self._image(number, "range_image_compressed", CHANNELS, messages.MATRIX_FLOAT)

    def poses(self) -> np.ndarray | None:
        """[H, W, 6] float32 of the pixels, which only the first return states, or None."""
        return self._image(1, "range_image_pose_compressed", 6, messages.MATRIX_FLOAT)

    def labels(self, number: int) -> np.ndarray | None:
        """[H, W, 2] int64 instance and class of the pixels, or None."""
        return self._image(number, "segmentation_label_compressed", 2, messages.MATRIX_INT)

    def field(self, number: int, name: str) -> str:
        """Full name of a field of a return."""
        return f"Frame.lasers.ri_return{number}.{name}"

    def error(self, number: int, name: str, problem: str, expected: str) -> DataError:
        """About a field of a return; the scanner is named."""
        problem = f"scanner {LASERS[self.laser]}: {problem}"
        return DataError(
            self.span.source, problem, byte=self.span.start, field=self.field(number, name), expected=expected
        )

    def _image(self, number: int, name: str, channels: int, schema: Schema) -> np.ndarray | None:
        content = self.returns.get(number, {}).get(name)
        if not content:
            return None
        try:
            data = _decompressed(content)
            values, shape = _matrix(Span(data, 0, len(data), ""), schema)
        except DataError as error:
            problem = f"decompressed, byte {error.byte}, {error.field}: {error.problem}"
            raise self.error(number, name, problem, error.expected or "a matrix") from None
        except (zlib.error, ValueError) as error:
            raise self.error(number, name, f"cannot be decompressed ({error})", "zlib's format") from None
        if len(shape) != 3 or shape[2] != channels or min(shape) < 0 or np.prod(shape, dtype=object) != len(values):
            expected = f"[H, W, {channels}] with H * W * {channels} values"
            raise self.error(number, name, f"shape {shape} for {len(values)} values", expected)
        return values.reshape(shape)


def packed_images(lasers: Sequence[Span]) -> dict[int, PackedImages]:
    """The images of each of the ``Laser`` messages.

    Raises:
        DataError: If one has no scanner's name or an unknown one, or a scanner comes twice.
    """
    found: dict[int, PackedImages] = {}
    for span in lasers:
        values: dict[str, Any] = dict(fields(span, messages.LASER, "Frame.lasers"))
        laser = values.get("name", 0)
        if laser not in LASERS or laser in found:
            problem = f"scanner {LASERS[laser]} comes twice" if laser in found else f"scanner {laser}"
            raise DataError(
                span.source, problem, byte=span.start, field="Frame.lasers.name", expected=f"each of {[*LASERS]} once"
            )
        returns = {
            number: dict(fields(values[f"ri_return{number}"], messages.RANGE_IMAGE, f"Frame.lasers.ri_return{number}"))
            for number in (1, 2)
            if f"ri_return{number}" in values
        }
        found[laser] = PackedImages(laser, span, returns)
    return found


def _decompressed(content: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(content, MAX_IMAGE)
    if unpacker.unconsumed_tail:
        raise ValueError(f"more than {MAX_IMAGE} bytes")
    if not unpacker.eof:
        raise ValueError("the stream is not complete")
    return data


def _matrix(span: Span, schema: Schema) -> tuple[np.ndarray, list[int]]:
    """Values and shape."""
    parts, shape = [], []
    for name, value in fields(span, schema, "Matrix"):
        if name == "data":
            parts.append(value)
            continue
        for _, dims in fields(value, messages.SHAPE, "Matrix.shape"):
            shape += dims.tolist()
    return np.concatenate(parts) if parts else np.zeros(0, np.float32), shape
