"""A vector register as a numba value.

LLVM's automatic vectoriser gives up, or pays for alias checks in every short loop, just where these kernels spend
their time. Here a kernel says what it wants: ``load`` a register from an array, multiply, ``store`` it. The register is
as wide as this machine's (16 float32 with AVX-512, 8 with AVX2, 4 elsewhere); a float64 array gives half as many lanes.

Indices count elements from the array's first one in memory; arrays must be C-contiguous, or the caller must have
computed the index from the strides. Nothing is bounds-checked.
"""

from __future__ import annotations

import operator
from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model
from numpy.polynomial.chebyshev import cheb2poly


def _register_bits() -> int:
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx2") else 128


REGISTER_BITS = _register_bits()
LANES = REGISTER_BITS // 32
"""Lanes of a float32 register on this machine."""
ALL = (0,)
"""The pattern, for :func:`fold` and others, of a register whose lanes all belong to one head."""
WIDE = 2 if REGISTER_BITS == 256 else 4
"""Registers of a wide value: enough independent work to hide latencies and the cost of addresses, few enough to fit
(with 256 bits there are only 16 registers)."""


class VectorType(types.Type):
    """The numba type of one or several registers, used as one, with elements of ``dtype``."""

    def __init__(self, dtype: types.Float, registers: int = 1) -> None:
        self.dtype = dtype
        self.lanes = registers * REGISTER_BITS // dtype.bitwidth
        super().__init__(name=f"Vector({dtype} x {self.lanes})")

    @property
    def llvm_type(self) -> ir.VectorType:
        return ir.VectorType(_scalar(self.dtype), self.lanes)


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: VectorType) -> None:
        super().__init__(manager, fe_type, fe_type.llvm_type)


def _scalar(dtype: types.Float) -> ir.Type:
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


def _address(context: Any, builder: Any, array_type: types.Array, array: Any, index: Any, element: ir.Type) -> Any:
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=array).data
    address = builder.gep(data, [index], inbounds=True)
    return address if element is None else builder.bitcast(address, element.as_pointer())


def _constant(vector: VectorType, value: float) -> ir.Constant:
    return ir.Constant(vector.llvm_type, [value] * vector.lanes)


def _broadcast(builder: Any, vector: VectorType, scalar: Any) -> Any:
    lane = ir.IntType(32)
    seed = builder.insert_element(ir.Constant(vector.llvm_type, ir.Undefined), scalar, ir.Constant(lane, 0))
    mask = ir.Constant(ir.VectorType(lane, vector.lanes), [0] * vector.lanes)
    return builder.shuffle_vector(seed, ir.Constant(vector.llvm_type, ir.Undefined), mask)


def _call(builder: Any, name: str, result: ir.Type, arguments: list[Any]) -> Any:
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(result, [argument.type for argument in arguments]), name
    )
    return builder.call(function, arguments)


def _suffix(vector: VectorType) -> str:
    return f"v{vector.lanes}f{vector.dtype.bitwidth}"


def _load_as(array: types.Array, vector: VectorType) -> Any:
    def codegen(context, builder, signature, arguments):
        address = _address(context, builder, array, arguments[0], arguments[1], vector.llvm_type)
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return vector(array, types.intp), codegen


@intrinsic
def load(typing_context, array, index):
    """Read a register from ``array`` at element ``index``."""
    return _load_as(array, VectorType(array.dtype))


@intrinsic
def load_wide(typing_context, array, index):
    """Read ``WIDE`` registers from ``array`` at element ``index``."""
    return _load_as(array, VectorType(array.dtype, WIDE))


# Some kernels are compiled for one, two or WIDE registers. They are told by the length of a tuple, which is part of its
# type: a function made for each number would be a closure, and numba finds no closure in its cache again.


@intrinsic
def load_block(typing_context, array, index, block):
    """Read as many registers as ``block`` has entries from ``array`` at element ``index``."""
    signature, codegen = _load_as(array, VectorType(array.dtype, block.count))
    return signature.return_type(array, types.intp, block), codegen


@intrinsic
def splat_block(typing_context, array, index, block):
    """As many registers as ``block`` has entries with element ``index`` of ``array`` in every lane."""
    signature, codegen = _splat_as(array, VectorType(array.dtype, block.count))
    return signature.return_type(array, types.intp, block), codegen


@intrinsic
def load_or_splat(typing_context, array, index, block, loads):
    """:func:`load_block` if the tuple ``loads`` has two entries, :func:`splat_block` if it has one."""
    signature, codegen = (_load_as if loads.count == 2 else _splat_as)(array, VectorType(array.dtype, block.count))
    return signature.return_type(array, types.intp, block, loads), codegen


@numba.njit(inline="always")
def lanes_of_block(array, block):
    """How many elements of ``array`` fill a block."""
    return len(block) * lanes_of(array)


@intrinsic
def prefetch(typing_context, array, index):
    """Ask for the cache line of element ``index``, which may lie outside the array, ahead of its use."""

    def codegen(context, builder, signature, arguments):
        byte, lane = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(_address(context, builder, array, arguments[0], arguments[1], None), byte)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, lane, lane, lane]), "llvm.prefetch.p0"
        )
        # To read, into all caches, data.
        builder.call(function, [address, lane(0), lane(3), lane(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


@intrinsic
def store(typing_context, array, index, value):
    """Write a register to ``array`` at element ``index``."""

    def codegen(context, builder, signature, arguments):
        address = _address(context, builder, array, arguments[0], arguments[1], value.llvm_type)
        builder.store(arguments[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


def _splat_as(array: types.Array, vector: VectorType) -> Any:
    def codegen(context, builder, signature, arguments):
        address = _address(context, builder, array, arguments[0], arguments[1], None)
        return _broadcast(builder, vector, builder.load(address))

    return vector(array, types.intp), codegen


@intrinsic
def splat_wide(typing_context, array, index):
    """``WIDE`` registers with element ``index`` of ``array`` in every lane."""
    return _splat_as(array, VectorType(array.dtype, WIDE))


@intrinsic
def full_like(typing_context, vector, value):
    """A register like ``vector`` with ``value`` in every lane."""

    def codegen(context, builder, signature, arguments):
        return _broadcast(builder, vector, arguments[1])

    return vector(vector, vector.dtype), codegen


@intrinsic
def fma(typing_context, a, b, c):
    """``a * b + c`` with one rounding."""

    def codegen(context, builder, signature, arguments):
        return _call(builder, f"llvm.fma.{_suffix(a)}", a.llvm_type, list(arguments))

    return a(a, a, a), codegen


@intrinsic
def total(typing_context, a):
    """The sum of the lanes, halves added to halves: the order is fixed."""

    def codegen(context, builder, signature, arguments):
        value, width, lane = arguments[0], a.lanes, ir.IntType(32)
        while width > 1:
            width //= 2
            half = ir.VectorType(a.llvm_type.element, width)
            undefined = ir.Constant(value.type, ir.Undefined)
            low = ir.Constant(ir.VectorType(lane, width), list(range(width)))
            high = ir.Constant(ir.VectorType(lane, width), list(range(width, 2 * width)))
            value = builder.fadd(
                builder.shuffle_vector(value, undefined, low), builder.shuffle_vector(value, undefined, high)
            )
            assert value.type == half
        return builder.extract_element(value, ir.Constant(lane, 0))

    return a.dtype(a), codegen


# A register may hold several short patterns one after another. How long one is, a power of two that divides the lanes,
# is told by the length of a tuple, as the number of registers is elsewhere.


@intrinsic
def fold(typing_context, a, pattern):
    """The sum of a register's patterns, once in the place of each: with a pattern of one, the total in every lane."""

    def codegen(context, builder, signature, arguments):
        value, width, lane = arguments[0], a.lanes, ir.IntType(32)
        while width > pattern.count:
            width //= 2
            other = ir.Constant(ir.VectorType(lane, a.lanes), [index ^ width for index in range(a.lanes)])
            value = builder.fadd(value, builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), other))
        return value

    return a(a, pattern), codegen


@intrinsic
def load_pattern(typing_context, array, index, pattern):
    """Read one pattern at element ``index`` and repeat it to fill a register."""
    vector, count = VectorType(array.dtype), pattern.count

    def codegen(context, builder, signature, arguments):
        part, lane = ir.VectorType(_scalar(array.dtype), count), ir.IntType(32)
        address = _address(context, builder, array, arguments[0], arguments[1], part)
        value = builder.load(address, align=array.dtype.bitwidth // 8)
        places = ir.Constant(ir.VectorType(lane, vector.lanes), [place % count for place in range(vector.lanes)])
        return builder.shuffle_vector(value, ir.Constant(part, ir.Undefined), places)

    return vector(array, types.intp, pattern), codegen


@intrinsic
def store_pattern(typing_context, array, index, value, pattern):
    """Write a register's first pattern to ``array`` at element ``index``."""

    def codegen(context, builder, signature, arguments):
        part, lane = ir.VectorType(_scalar(array.dtype), pattern.count), ir.IntType(32)
        address = _address(context, builder, array, arguments[0], arguments[1], part)
        first = ir.Constant(ir.VectorType(lane, pattern.count), list(range(pattern.count)))
        piece = builder.shuffle_vector(arguments[2], ir.Constant(arguments[2].type, ir.Undefined), first)
        builder.store(piece, address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value, pattern), codegen


def _binary(name: str) -> Any:
    @intrinsic
    def operation(typing_context, a, b):
        def codegen(context, builder, signature, arguments):
            return getattr(builder, name)(*arguments)

        return a(a, b), codegen

    return operation


_add, _sub, _mul, _div = (_binary(name) for name in ("fadd", "fsub", "fmul", "fdiv"))


def _both_vectors(a: types.Type, b: types.Type) -> bool:
    return isinstance(a, VectorType) and a == b


@overload(operator.add, inline="always")
def _operator_add(a, b):
    return (lambda a, b: _add(a, b)) if _both_vectors(a, b) else None


@overload(operator.sub, inline="always")
def _operator_sub(a, b):
    return (lambda a, b: _sub(a, b)) if _both_vectors(a, b) else None


@overload(operator.mul, inline="always")
def _operator_mul(a, b):
    return (lambda a, b: _mul(a, b)) if _both_vectors(a, b) else None


@overload(operator.truediv, inline="always")
def _operator_truediv(a, b):
    return (lambda a, b: _div(a, b)) if _both_vectors(a, b) else None


def _exp2_coefficients(bits: int) -> list[float]:
    """A polynomial that is 2**x on [-1/2, 1/2] to below a rounding error: degree 6 for float32, 12 for float64.

    Its Taylor series, ln(2)**n / n!, with the highest terms traded one by one for the Chebyshev polynomial that begins
    with them: what is dropped is so spread evenly over the range, and two terms fewer will do.
    """
    coefficients, term = [], 1.0
    for n in range(20):
        coefficients.append(term)
        term *= 0.6931471805599453 / (n + 1)
    degree = 6 if bits == 32 else 12
    while len(coefficients) > degree + 1:
        n = len(coefficients) - 1
        even = [c * 2.0**power for power, c in enumerate(cheb2poly([0.0] * n + [1.0]))]
        share = coefficients[n] / even[n]
        coefficients = [c - share * e for c, e in zip(coefficients, even, strict=True)][:n]
    return coefficients


def _build_exp2(builder: Any, vector: VectorType, x: Any, at_most_zero: bool = False) -> Any:
    """2**x = 2**round(x) * 2**rest, the rest by a polynomial on [-1/2, 1/2]."""
    # Infinities would leave no rest to speak of. The comparisons are false for a NaN, which so goes through.
    bound = 200.0 if vector.dtype.bitwidth == 32 else 1200.0
    if not SCALES_IN_HARDWARE:
        bound = 126.0 if vector.dtype.bitwidth == 32 else 1022.0
    x = builder.select(builder.fcmp_ordered("<", x, _constant(vector, -bound)), _constant(vector, -bound), x)
    if not at_most_zero:
        x = builder.select(builder.fcmp_ordered(">", x, _constant(vector, bound)), _constant(vector, bound), x)
    whole = _call(builder, f"llvm.rint.{_suffix(vector)}", vector.llvm_type, [x])
    return _scaled(builder, vector, _exp2_of_rest(builder, vector, builder.fsub(x, whole)), whole)


def _exp2_of_rest(builder: Any, vector: VectorType, rest: Any) -> Any:
    """2**rest on [-1/2, 1/2]."""
    coefficients = _exp2_coefficients(vector.dtype.bitwidth)
    value = _constant(vector, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        arguments = [value, rest, _constant(vector, coefficient)]
        value = _call(builder, f"llvm.fma.{_suffix(vector)}", vector.llvm_type, arguments)
    return value


SCALES_IN_HARDWARE = REGISTER_BITS == 512
"""AVX-512 multiplies by a power of two in one instruction."""


def _scaled(builder: Any, vector: VectorType, value: Any, whole: Any) -> Any:
    """``value * 2**whole``: one instruction of AVX-512, else through the bits of the exponent."""
    bits = vector.dtype.bitwidth
    if SCALES_IN_HARDWARE:
        return _register_by_register(builder, vector, value, whole)
    mantissa, bias = (23, 127) if bits == 32 else (52, 1023)
    integers = ir.VectorType(ir.IntType(bits), vector.lanes)
    exponent = builder.add(builder.fptosi(whole, integers), ir.Constant(integers, [bias] * vector.lanes))
    shifted = builder.shl(exponent, ir.Constant(integers, [mantissa] * vector.lanes))
    return builder.fmul(value, builder.bitcast(shifted, vector.llvm_type))


def _register_by_register(builder: Any, vector: VectorType, value: Any, whole: Any) -> Any:
    one, lane = VectorType(vector.dtype), ir.IntType(32)
    letter = "s" if vector.dtype.bitwidth == 32 else "d"
    tail = [_constant(one, 0.0), _every_lane(one), ir.Constant(lane, 4)]  # the current rounding
    return _by_registers(builder, vector, f"llvm.x86.avx512.mask.scalef.p{letter}.512", [value, whole], tail)


def _every_lane(one: VectorType) -> ir.Constant:
    return ir.Constant(ir.IntType(one.lanes), (1 << one.lanes) - 1)


def _by_registers(builder: Any, vector: VectorType, name: str, values: list[Any], tail: list[Any]) -> Any:
    """Call an instruction that takes single registers on each register of ``values``."""
    one, lane = VectorType(vector.dtype), ir.IntType(32)
    pieces = []
    for start in range(0, vector.lanes, one.lanes):
        mask = ir.Constant(ir.VectorType(lane, one.lanes), list(range(start, start + one.lanes)))
        parts = [builder.shuffle_vector(x, ir.Constant(x.type, ir.Undefined), mask) for x in values]
        pieces.append(_call(builder, name, one.llvm_type, [*parts, *tail]))
    while len(pieces) > 1:
        width = pieces[0].type.count
        mask = ir.Constant(ir.VectorType(lane, 2 * width), list(range(2 * width)))
        pieces = [builder.shuffle_vector(a, b, mask) for a, b in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces[0]


@intrinsic
def reciprocal(typing_context, a):
    """1 / a for finite a whose reciprocal is a normal number, to about one unit in the last place.

    In float32 with AVX-512 an estimate of 14 bits and a Newton step: a fifth of a division's time.
    """
    fast = SCALES_IN_HARDWARE and a.dtype.bitwidth == 32

    def codegen(context, builder, signature, arguments):
        value = arguments[0]
        if not fast:
            return builder.fdiv(_constant(a, 1.0), value)
        one = VectorType(a.dtype)
        tail = [_constant(one, 0.0), _every_lane(one)]
        estimate = _by_registers(builder, a, "llvm.x86.avx512.rcp14.ps.512", [value], tail)
        name = f"llvm.fma.{_suffix(a)}"
        error = _call(builder, name, a.llvm_type, [builder.fneg(value), estimate, _constant(a, 1.0)])
        return _call(builder, name, a.llvm_type, [error, estimate, estimate])

    return a(a), codegen


@intrinsic
def exp2(typing_context, a):
    """Two to the power ``a``, to about one unit in the last place (near the smallest normal number, that number)."""

    def codegen(context, builder, signature, arguments):
        return _build_exp2(builder, a, arguments[0])

    return a(a), codegen


@intrinsic
def exp2_of_decay(typing_context, a):
    """:func:`exp2` for ``a`` of at most a hundred or so: no check for more."""

    def codegen(context, builder, signature, arguments):
        return _build_exp2(builder, a, arguments[0], at_most_zero=True)

    return a(a), codegen


LARGEST_PRODUCT = 1e13
"""How far below zero the product of :func:`exp2_of_product` may lie."""


@intrinsic
def exp2_of_product(typing_context, a, b):
    """:func:`exp2` of ``a * b``, which must lie between ``-LARGEST_PRODUCT`` and a hundred or so.

    In float32 with AVX-512 a fifth cheaper than by its parts. Adding 1.5 * 2**23 rounds to whole numbers; a
    multiply-add gives what is left without rounding the product. Below -2**22 what is left is no small number any
    more, but its polynomial is finite, and the scaling makes zero of it.
    """
    fast = SCALES_IN_HARDWARE and a.dtype.bitwidth == 32

    def codegen(context, builder, signature, arguments):
        if not fast:
            return _build_exp2(builder, a, builder.fmul(*arguments), at_most_zero=True)
        name, magic = f"llvm.fma.{_suffix(a)}", _constant(a, 1.5 * 2.0**23)
        whole = builder.fsub(_call(builder, name, a.llvm_type, [*arguments, magic]), magic)
        rest = _call(builder, name, a.llvm_type, [*arguments, builder.fneg(whole)])
        return _scaled(builder, a, _exp2_of_rest(builder, a, rest), whole)

    return a(a, a), codegen


LOG2_E = 1.4426950408889634


@numba.njit(inline="always")
def exp(a):
    """e to the power ``a``."""
    return exp2(a * full_like(a, LOG2_E))


@numba.njit(inline="always")
def sigmoid(a):
    """1 / (1 + exp(-a)), no smaller than its value at -88 (a float64's at -709)."""
    # Beyond that the denominator's reciprocal would be no normal number.
    power = exp2_of_decay(minimum(full_like(a, largest_power(a)), a * full_like(a, -LOG2_E)))
    return reciprocal(full_like(a, 1.0) + power)


@numba.njit(inline="always")
def softplus(a):
    """log(1 + exp(a)), accurate in both tails.

    log1p(q) for q in (0, 1] is 2 artanh(q / (2 + q)), whose argument is at most 1/3: its series converges fast.
    """
    size = absolute(a)
    q = exp2(size * full_like(a, -LOG2_E))
    s = q * reciprocal(q + full_like(a, 2.0))
    s2 = s * s
    terms = artanh_terms(a)
    series = full_like(a, 1.0 / (2 * terms + 1))
    for k in range(terms - 1, -1, -1):
        series = fma(series, s2, full_like(a, 1.0 / (2 * k + 1)))
    return fma(s * full_like(a, 2.0), series, (a + size) * full_like(a, 0.5))


def _constant_by_dtype(of_float32: float, of_float64: float, kind: types.Type) -> Any:
    """A function of a register whose value is a constant that depends on the elements' type."""

    @intrinsic
    def constant(typing_context, a):
        value = of_float32 if a.dtype.bitwidth == 32 else of_float64

        def codegen(context, builder, signature, arguments):
            return context.get_constant(kind, value)

        return kind(a), codegen

    return constant


artanh_terms = _constant_by_dtype(7, 16, types.intp)
"""Terms of the artanh series after its first: (1/3)**15 / 15 is below float32's rounding, (1/3)**33 / 33 float64's."""
largest_power = _constant_by_dtype(125.0, 1021.0, types.float64)
"""Largest power of two to which one can be added and the reciprocal taken."""


@intrinsic
def absolute(typing_context, a):
    """Absolute value, lane by lane."""

    def codegen(context, builder, signature, arguments):
        return _call(builder, f"llvm.fabs.{_suffix(a)}", a.llvm_type, list(arguments))

    return a(a), codegen


@intrinsic
def sqrt(typing_context, a):
    """Square root, lane by lane."""

    def codegen(context, builder, signature, arguments):
        return _call(builder, f"llvm.sqrt.{_suffix(a)}", a.llvm_type, list(arguments))

    return a(a), codegen


@intrinsic
def maximum(typing_context, a, b):
    """The larger of two, lane by lane; ``b`` where either is NaN."""

    def codegen(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return a(a, a), codegen


@intrinsic
def minimum(typing_context, a, b):
    """The smaller of two, lane by lane; ``b`` where either is NaN."""

    def codegen(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return a(a, a), codegen


@intrinsic
def where_above(typing_context, a, b, then, otherwise):
    """``then`` where ``a > b``, lane by lane, else (and where either is NaN) ``otherwise``."""

    def codegen(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *arguments[:2]), *arguments[2:])

    return a(a, a, a, a), codegen


@intrinsic
def lanes_of(typing_context, array):
    """How many elements of ``array`` fill a register."""
    lanes = VectorType(array.dtype).lanes

    def codegen(context, builder, signature, arguments):
        return context.get_constant(types.intp, lanes)

    return types.intp(array), codegen


@numba.njit(inline="always")
def aligned_start(array):
    """Index of the first element of ``array`` on a 64-byte border: registers that straddle two cache lines cost two
    loads. Allocate 64 bytes more than needed."""
    return (-array.ctypes.data % 64) // array.itemsize
