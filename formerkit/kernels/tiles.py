"""A block of vector registers as one numba value: the inner tile of a matrix product.

``ROWS x vectors`` accumulators stay in registers while a loop runs over the depth of the product. With 512-bit
registers a tile of 4 x 4 keeps both multiply-add units of a core busy; with 16 narrower registers, 4 x 2 does.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from formerkit.kernels.simd import REGISTER_BITS, VectorType, _address, _broadcast, _call, _suffix

ROWS = 4
"""Rows of a full tile."""
MAX_VECTORS = 2 if REGISTER_BITS == 256 else 4
"""Registers in a row of the widest tile on this machine."""


class TileType(types.Type):
    """The numba type of ``rows x vectors`` registers."""

    def __init__(self, dtype: types.Float, rows: int, vectors: int) -> None:
        self.vector = VectorType(dtype)
        self.rows, self.vectors = rows, vectors
        super().__init__(name=f"Tile({rows} x {vectors} x {self.vector})")

    @property
    def llvm_type(self) -> ir.ArrayType:
        return ir.ArrayType(self.vector.llvm_type, self.rows * self.vectors)


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: TileType) -> None:
        super().__init__(manager, fe_type, fe_type.llvm_type)


def _offset(builder: Any, index: Any, step: int) -> Any:
    return builder.add(index, ir.Constant(index.type, step))


def _read(context: Any, builder: Any, vector: VectorType, array_type: Any, array: Any, index: Any) -> Any:
    address = _address(context, builder, array_type, array, index, vector.llvm_type)
    return builder.load(address, align=vector.dtype.bitwidth // 8)


def _scalar_of(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    return builder.load(_address(context, builder, array_type, array, index, None))


def _row_start(context: Any, builder: Any, rows_type: Any, rows: Any, position: Any, stride: Any) -> Any:
    index = builder.sext(_scalar_of(context, builder, rows_type, rows, position), stride.type)
    return builder.mul(index, stride)


@intrinsic
def zero_tile(typing_context, array, rows, vectors):
    """A tile of zeros for products of arrays like ``array``; ``rows`` and ``vectors`` are constants."""
    if not isinstance(rows, types.IntegerLiteral) or not isinstance(vectors, types.IntegerLiteral):
        return None
    tile = TileType(array.dtype, rows.literal_value, vectors.literal_value)

    def codegen(context, builder, signature, arguments):
        return ir.Constant(tile.llvm_type, None)

    return tile(array, rows, vectors), codegen


@intrinsic
def zero_tile_like(typing_context, array, rows, block):
    """A tile with as many registers in a row as the tuple ``block`` has entries; ``rows`` is a constant."""
    if not isinstance(rows, types.IntegerLiteral):
        return None
    tile = TileType(array.dtype, rows.literal_value, block.count)

    def codegen(context, builder, signature, arguments):
        return ir.Constant(tile.llvm_type, None)

    return tile(array, rows, block), codegen


@intrinsic
def add_gathered_product(typing_context, tile, x, rows, position, stride, column, w, w_at):
    """``tile[r] += x[rows[position + r], column] * w[w_at : w_at + vectors * lanes]``: one step of the depth.

    ``rows`` is an int32 array; ``stride`` is the distance of x's rows in elements.
    """

    def codegen(context, builder, signature, arguments):
        value, x_, rows_, position_, stride_, column_, w_, w_at_ = arguments
        vector = tile.vector
        weights = [
            _read(context, builder, vector, w, w_, _offset(builder, w_at_, v * vector.lanes))
            for v in range(tile.vectors)
        ]
        for r in range(tile.rows):
            start = _row_start(context, builder, rows, rows_, _offset(builder, position_, r), stride_)
            scalar = _scalar_of(context, builder, x, x_, builder.add(start, column_))
            value = _accumulate(builder, tile, value, r, _broadcast(builder, vector, scalar), weights)
        return value

    intp = types.intp
    return tile(tile, x, rows, intp, intp, intp, w, intp), codegen


@intrinsic
def add_rows_product(typing_context, tile, x, x_at, stride, w, w_at):
    """``tile[r] += x[x_at + r * stride] * w[w_at : w_at + vectors * lanes]``: one step of the depth."""

    def codegen(context, builder, signature, arguments):
        value, x_, x_at_, stride_, w_, w_at_ = arguments
        vector = tile.vector
        weights = [
            _read(context, builder, vector, w, w_, _offset(builder, w_at_, v * vector.lanes))
            for v in range(tile.vectors)
        ]
        for r in range(tile.rows):
            at = builder.add(x_at_, builder.mul(stride_, ir.Constant(stride_.type, r)))
            scalar = _scalar_of(context, builder, x, x_, at)
            value = _accumulate(builder, tile, value, r, _broadcast(builder, vector, scalar), weights)
        return value

    return tile(tile, x, types.intp, types.intp, w, types.intp), codegen


@intrinsic
def add_outer_product(typing_context, tile, x, x_at, g, g_at):
    """``tile[r] += x[x_at + r] * g[g_at : g_at + vectors * lanes]``."""

    def codegen(context, builder, signature, arguments):
        value, x_, x_at_, g_, g_at_ = arguments
        vector = tile.vector
        columns = [
            _read(context, builder, vector, g, g_, _offset(builder, g_at_, v * vector.lanes))
            for v in range(tile.vectors)
        ]
        for r in range(tile.rows):
            scalar = _scalar_of(context, builder, x, x_, _offset(builder, x_at_, r))
            value = _accumulate(builder, tile, value, r, _broadcast(builder, vector, scalar), columns)
        return value

    return tile(tile, x, types.intp, g, types.intp), codegen


def _accumulate(builder: Any, tile: TileType, value: Any, row: int, factor: Any, columns: list[Any]) -> Any:
    vector = tile.vector
    for v, column in enumerate(columns):
        index = row * tile.vectors + v
        old = builder.extract_value(value, index)
        new = _call(builder, f"llvm.fma.{_suffix(vector)}", vector.llvm_type, [factor, column, old])
        value = builder.insert_value(value, new, index)
    return value


@intrinsic
def scatter_add_tile(typing_context, tile, out, rows, position, stride, column):
    """``out[rows[position + r], column :] += tile[r]``; the rows of one call must differ."""

    def codegen(context, builder, signature, arguments):
        value, out_, rows_, position_, stride_, column_ = arguments
        for r in range(tile.rows):
            start = _row_start(context, builder, rows, rows_, _offset(builder, position_, r), stride_)
            start = builder.add(start, column_)
            _add_row(context, builder, tile, value, r, out, out_, start)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(tile, out, rows, intp, intp, intp), codegen


@intrinsic
def add_tile(typing_context, tile, out, at, stride):
    """``out[at + r * stride :] += tile[r]``."""

    def codegen(context, builder, signature, arguments):
        value, out_, at_, stride_ = arguments
        for r in range(tile.rows):
            start = builder.add(at_, builder.mul(stride_, ir.Constant(stride_.type, r)))
            _add_row(context, builder, tile, value, r, out, out_, start)
        return context.get_dummy_value()

    return types.void(tile, out, types.intp, types.intp), codegen


@intrinsic
def store_tile(typing_context, tile, out, at, stride):
    """``out[at + r * stride :] = tile[r]``."""

    def codegen(context, builder, signature, arguments):
        value, out_, at_, stride_ = arguments
        vector = tile.vector
        for r in range(tile.rows):
            start = builder.add(at_, builder.mul(stride_, ir.Constant(stride_.type, r)))
            for v in range(tile.vectors):
                index = _offset(builder, start, v * vector.lanes)
                address = _address(context, builder, out, out_, index, vector.llvm_type)
                piece = builder.extract_value(value, r * tile.vectors + v)
                builder.store(piece, address, align=vector.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(tile, out, types.intp, types.intp), codegen


def _add_row(context: Any, builder: Any, tile: TileType, value: Any, r: int, out: Any, out_: Any, start: Any) -> None:
    vector = tile.vector
    for v in range(tile.vectors):
        index = _offset(builder, start, v * vector.lanes)
        old = _read(context, builder, vector, out, out_, index)
        new = builder.fadd(old, builder.extract_value(value, r * tile.vectors + v))
        address = _address(context, builder, out, out_, index, vector.llvm_type)
        builder.store(new, address, align=vector.dtype.bitwidth // 8)


@numba.njit(inline="always")
def lower_bound(values, first, last, wanted):
    """First position in the sorted ``values[first:last]`` whose value is not below ``wanted``."""
    while first < last:
        middle = (first + last) // 2
        if values[middle] < wanted:
            first = middle + 1
        else:
            last = middle
    return first
