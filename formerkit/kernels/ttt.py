"""TTT-Linear: a linear model, W [F, F] and b [F], that each sequence trains on itself, forward and backward.

With tokens in mini-batches of n, and W and b those at the start of the token's mini-batch::

    Z = W^T k + b;  x = (Z - mean) / std;  G = gradient of |gamma x + beta - (v - k)|^2 / 2 by Z
    A = A + rate k G^T;  c = c + rate G                                   # from zero in each mini-batch
    o = q + layer_norm(W^T q + b - scale_i (A^T q + c))                   # i: place in the mini-batch
    after the last:  W = W - scale_n A;  b = b - scale_n c

A vector holds one row of a matrix (F is at most a panel). The backward pass starts from W and b at each mini-batch, all
that is kept, and computes the tokens of a mini-batch again. A task is one (sequence, head).
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.sequences import buffer_of
from formerkit.kernels.simd import fma, full_like, lanes_of_block, load_block, splat_block, store, total


@numba.njit(inline="always")
def _normalised(z, mask, width, eps):
    """Layer norm without weights, and one over the deviation."""
    mean = full_like(z, total(z) / width)
    centred = (z - mean) * mask
    rate = full_like(z, 1.0 / np.sqrt(total(centred * centred) / width + eps))
    return centred * rate, rate


@numba.njit(inline="always")
def _normalise_gradient(g, x, rate, mask, width):
    """Gradient by the input of a layer norm, from that by its output ``x``."""
    mean = full_like(g, total(g) / width)
    along = full_like(g, total(g * x) / width)
    return (g - mean - x * along) * rate * mask


@numba.njit(inline="always")
def _product(block, vector, at, matrix, m_at, start, width):
    """``start + sum_m vector[m] matrix[m]``."""
    panel = lanes_of_block(matrix, block)
    even, odd = start, start - start
    for m in range(0, width - 1, 2):
        here = m_at + m * panel
        even = fma(splat_block(vector, at + m, block), load_block(matrix, here, block), even)
        odd = fma(splat_block(vector, at + m + 1, block), load_block(matrix, here + panel, block), odd)
    if width % 2:
        last = load_block(matrix, m_at + (width - 1) * panel, block)
        even = fma(splat_block(vector, at + width - 1, block), last, even)
    return even + odd


@numba.njit(inline="always")
def _add_scaled(block, target, to, source, at, factor, vectors):
    """``target += factor source``, vector by vector."""
    panel = lanes_of_block(source, block)
    for m in range(vectors):
        here = to + m * panel
        value = fma(factor, load_block(source, at + m * panel, block), load_block(target, here, block))
        store(target, here, value)


@numba.njit(inline="always")
def _copy(block, target, to, source, at, vectors, factor):
    """``target = factor source``, vector by vector."""
    panel = lanes_of_block(source, block)
    for m in range(vectors):
        store(target, to + m * panel, factor * load_block(source, at + m * panel, block))


@numba.njit(inline="always")
def _learn(block, model, at, k, v, token, gamma, beta, mask, width, eps):
    """x, one over the deviation, and G of a token."""
    panel = lanes_of_block(model, block)
    z = _product(block, k, token, model, at, load_block(model, at + width * panel, block), width)
    x, rate = _normalised(z, mask, width, eps)
    error = fma(gamma, x, beta) - (load_block(v, token, block) - load_block(k, token, block))
    return x, rate, _normalise_gradient(gamma * error, x, rate, mask, width)


@numba.njit(inline="always")
def _accumulate(block, model, at, k, token, rate, g, width):
    """``A += rate k G^T``, ``c += rate G``; A and c stand behind W and b."""
    panel = lanes_of_block(model, block)
    g = rate * g
    for m in range(width):
        here = at + (width + 1 + m) * panel
        store(model, here, fma(splat_block(k, token + m, block), g, load_block(model, here, block)))
    here = at + (2 * width + 1) * panel
    store(model, here, load_block(model, here, block) + g)


@numba.njit(cache=True, nogil=True)
def forward(first, last, block, q, k, v, rates, scales, gamma, beta, mask, shape, eps, offsets, places, chunk_offsets,
            initial, out, final, kept):  # fmt: skip
    """Tasks ``first`` to ``last``.

    Args:
        block: A tuple of one entry for each register of a panel.
        q, k, v, out: [T, H, P], zero beyond F. rates: [T, H]. scales: [n]. gamma, beta: [H, P], zero beyond F.
        mask: [P], one up to F, then zero.
        shape: (H, F, P), P the panel.
        offsets: [S + 1] first token of each sequence. places: [S] place of its first token in its mini-batch.
        chunk_offsets: [S + 1] first mini-batch of each sequence.
        initial, final: [S, H, 2 (F + 1), P]: W, b, A, c.
        kept: [mini-batches, H, F + 1, P] W and b at the start of each; nothing is kept if it has no rows.
    """
    heads, width, panel = shape
    memory, at = buffer_of(2 * (width + 1), panel, q)
    sums = at + (width + 1) * panel
    masks = load_block(mask, 0, block)
    one, batch = full_like(masks, 1.0), len(scales)
    for task in range(first, last):
        sequence, head = task // heads, task % heads
        gammas, betas = load_block(gamma, head * panel, block), load_block(beta, head * panel, block)
        _copy(block, memory, at, initial, task * 2 * (width + 1) * panel, 2 * (width + 1), one)
        place, chunk = places[sequence], chunk_offsets[sequence]
        for step in range(offsets[sequence + 1] - offsets[sequence]):
            if kept.shape[0] > 0 and (step == 0 or place == 0):
                _copy(block, kept, (chunk * heads + head) * (width + 1) * panel, memory, at, width + 1, one)
                chunk += 1
            row = (offsets[sequence] + step) * heads + head
            token = row * panel
            _, _, g = _learn(block, memory, at, k, v, token, gammas, betas, masks, width, eps)
            _accumulate(block, memory, at, k, token, splat_block(rates, row, block), g, width)
            scale = splat_block(scales, place, block)
            plain = _product(block, q, token, memory, at, load_block(memory, sums - panel, block), width)
            learnt = _product(
                block, q, token, memory, sums, load_block(memory, sums + width * panel, block), width
            )  # fmt: skip
            x, _ = _normalised(plain - scale * learnt, masks, width, eps)
            store(out, token, load_block(q, token, block) + fma(gammas, x, betas))
            place += 1
            if place == batch:
                place = 0
                _add_scaled(block, memory, at, memory, sums, one - one - scale, width + 1)
                _copy(block, memory, sums, memory, sums, width + 1, one - one)
        _copy(block, final, task * 2 * (width + 1) * panel, memory, at, 2 * (width + 1), one)


@numba.njit(inline="always")
def _read_gradient(block, model, at, taught, gradient, g_at, q, token, scale, dz, gq, width):
    """From that of ``W^T q + b - scale (A^T q + c)``: by q, W, b, A and c; ``taught`` holds A."""
    panel = lanes_of_block(model, block)
    sums = g_at + (width + 1) * panel
    scaled = scale * dz
    for m in range(width):
        here, element = m * panel, splat_block(q, token + m, block)
        both = load_block(model, at + here, block) - scale * load_block(model, taught + here, block)
        gq[token + m] = total(both * dz)
        store(gradient, g_at + here, fma(element, dz, load_block(gradient, g_at + here, block)))
        store(gradient, sums + here, load_block(gradient, sums + here, block) - element * scaled)
    here = width * panel
    store(gradient, g_at + here, load_block(gradient, g_at + here, block) + dz)
    store(gradient, sums + here, load_block(gradient, sums + here, block) - scaled)


@numba.njit(inline="always")
def _learn_gradient(block, model, at, gradient, g_at, k, token, dz, dg, gk, width):
    """From those of Z (``dz``) and of ``A += k dg^T``: by k, W and b."""
    panel = lanes_of_block(model, block)
    sums = g_at + (width + 1) * panel
    for m in range(width):
        here = m * panel
        both = fma(load_block(gradient, sums + here, block), dg, load_block(model, at + here, block) * dz)
        gk[token + m] = total(both)
        element = splat_block(k, token + m, block)
        store(gradient, g_at + here, fma(element, dz, load_block(gradient, g_at + here, block)))
    here = g_at + width * panel
    store(gradient, here, load_block(gradient, here, block) + dz)


@numba.njit(inline="always")
def _overlap(block, a, a_at, b, b_at, vectors):
    """Sum of the products of all elements."""
    panel = lanes_of_block(a, block)
    value = load_block(a, a_at, block) - load_block(a, a_at, block)
    for m in range(vectors):
        value = fma(load_block(a, a_at + m * panel, block), load_block(b, b_at + m * panel, block), value)
    return total(value)


@numba.njit(cache=True, nogil=True)
def backward(first, last, block, q, k, v, rates, scales, gamma, beta, mask, shape, eps, offsets, places, chunk_offsets,
             initial, kept, go, gfinal, gq, gk, gv, grates, gscales, ggamma, gbeta, ginitial):  # fmt: skip
    """Gradients; the arguments of :func:`forward`, and

    Args:
        go: [T, H, P]. gfinal, ginitial: [S, H, 2 (F + 1), P].
        gq, gk, gv: [T, H, P]; the first two, and grates, [T, H], flat.
        gscales: [S, H, n]. ggamma, gbeta: [S, H, P], shares of a sequence.
    """
    heads, width, panel = shape
    batch, half = len(scales), width + 1
    memory, at = buffer_of(2 * half, panel, q)
    sums = at + half * panel
    gradient, g_at = buffer_of(2 * half, panel, q)
    g_sums = g_at + half * panel
    taught, taught_at = buffer_of(batch * half, panel, q)
    states, states_at = buffer_of(batch * 3, panel, q)
    masks = load_block(mask, 0, block)
    one = full_like(masks, 1.0)
    zero = one - one
    for task in range(first, last):
        sequence, head = task // heads, task % heads
        gammas, betas = load_block(gamma, head * panel, block), load_block(beta, head * panel, block)
        sum_gamma = sum_beta = zero
        _copy(block, gradient, g_at, gfinal, task * 2 * half * panel, 2 * half, one)
        gscales[sequence, head] = 0.0
        length, place0 = offsets[sequence + 1] - offsets[sequence], places[sequence]
        for chunk in range(chunk_offsets[sequence + 1] - chunk_offsets[sequence] - 1, -1, -1):
            begin, end = max(0, chunk * batch - place0), min(length, (chunk + 1) * batch - place0)
            start = place0 if chunk == 0 else 0
            row = ((chunk_offsets[sequence] + chunk) * heads + head) * half * panel
            _copy(block, memory, at, kept, row, half, one)
            _copy(block, memory, sums, initial, (task * 2 + 1) * half * panel, half, one if chunk == 0 else zero)
            for i in range(end - begin):
                row = (offsets[sequence] + begin + i) * heads + head
                x, deviation, g = _learn(block, memory, at, k, v, row * panel, gammas, betas, masks, width, eps)
                _accumulate(block, memory, at, k, row * panel, splat_block(rates, row, block), g, width)
                _copy(block, taught, taught_at + i * half * panel, memory, sums, half, one)
                store(states, states_at + 3 * i * panel, x)
                store(states, states_at + (3 * i + 1) * panel, deviation)
                store(states, states_at + (3 * i + 2) * panel, g)
            if start + end - begin == batch:
                gscales[sequence, head, batch - 1] -= _overlap(block, memory, sums, gradient, g_at, half)
                _copy(block, gradient, g_sums, gradient, g_at, half, zero - splat_block(scales, batch - 1, block))
            for i in range(end - begin - 1, -1, -1):
                row = (offsets[sequence] + begin + i) * heads + head
                token = row * panel
                _copy(block, memory, sums, taught, taught_at + i * half * panel, half, one)
                scale, rate = splat_block(scales, start + i, block), splat_block(rates, row, block)
                # The reading: o = q + layer_norm(y).
                learnt = _product(block, q, token, memory, sums, load_block(memory, sums + width * panel, block), width)
                plain = _product(block, q, token, memory, at, load_block(memory, at + width * panel, block), width)
                read, deviation = _normalised(plain - scale * learnt, masks, width, eps)
                outer = load_block(go, token, block)
                sum_gamma, sum_beta = fma(outer, read, sum_gamma), sum_beta + outer
                dy = _normalise_gradient(outer * gammas, read, deviation, masks, width)
                gscales[sequence, head, start + i] -= total(dy * learnt)
                _read_gradient(block, memory, at, sums, gradient, g_at, q, token, scale, dy, gq, width)
                store(gq, token, load_block(gq, token, block) + outer)
                # The learning: A += rate k G^T, c += rate G.
                x = load_block(states, states_at + 3 * i * panel, block)
                deviation = load_block(states, states_at + (3 * i + 1) * panel, block)
                g = load_block(states, states_at + (3 * i + 2) * panel, block)
                asked = _product(
                    block, k, token, gradient, g_sums, load_block(gradient, g_sums + width * panel, block), width
                )
                grates[row] = total(g * asked)
                dg = rate * asked
                # G is the gradient of a layer norm: linear in `inner`, and a function of x and the deviation.
                error = fma(gammas, x, betas) - (load_block(v, token, block) - load_block(k, token, block))
                inner = gammas * error
                dinner = _normalise_gradient(dg, x, deviation, masks, width)
                along = full_like(x, total(inner * x) / width)
                dalong = full_like(x, total(dg * x) / width)
                dx = fma(gammas * gammas, dinner, zero - deviation * fma(dg, along, inner * dalong))
                dz = _normalise_gradient(dx, x, deviation, masks, width)
                dz = dz - x * deviation * full_like(x, total(dg * g) / width)
                sum_gamma = fma(dinner, fma(gammas, x, error), sum_gamma)
                sum_beta = fma(dinner, gammas, sum_beta)
                _learn_gradient(block, memory, at, gradient, g_at, k, token, dz, rate * g, gk, width)
                dtarget = gammas * dinner
                store(gv, token, zero - dtarget)
                store(gk, token, load_block(gk, token, block) + dtarget)
        store(ggamma, task * panel, sum_gamma)
        store(gbeta, task * panel, sum_beta)
        _copy(block, ginitial, task * 2 * half * panel, gradient, g_at, 2 * half, one)
