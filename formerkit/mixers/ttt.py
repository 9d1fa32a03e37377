"""TTT-Linear (Sun et al., 2024): a mixer whose state is a linear model, trained on the sequence as it passes.

Per head, with W and b those at the start of the token's mini-batch of n tokens (the published dual form is the same)::

    G_j = gradient by Z_j = W^T k_j + b of  |layer_norm(Z_j) - (v_j - k_j)|^2 / 2
    o_i = q_i + layer_norm(W^T q_i + b - scale_i sum_{j <= i} rate_j (k_j . q_i + 1) G_j)
    W, b after a mini-batch:  W - scale_n sum_j rate_j k_j G_j^T,  b - scale_n sum_j rate_j G_j

Layer norms over the head's F channels, with weights gamma and beta of the head.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.backends import use_kernels
from formerkit.mixers.heads import head_width
from formerkit.mixers.layout import compute_dtype, full_precision, lanes, pad_columns, panel
from formerkit.mixers.packing import check_shapes, flatten, gather_rows, lengths_of, pack, starts_of, token_ranges
from formerkit.mixers.rotary import rotate_all
from formerkit.mixers.state import MixerState, starting


class TTTState(NamedTuple):
    """The model of each sequence, and what the mini-batch at hand has taught so far.

    Attributes:
        W, A: [S, H, F, F]. b, c: [S, H, F]. A and c are the sums of ``rate k G^T`` and ``rate G``.
        place: [S] int64, tokens of the mini-batch seen.
    """

    W: Tensor
    b: Tensor
    A: Tensor
    c: Tensor
    place: Tensor

    @classmethod
    def fresh(cls, W: Tensor, b: Tensor, sequences: int) -> TTTState:
        """The state of ``sequences`` sequences that start from W [H, F, F] and b [H, F]."""
        W, b = W.expand(sequences, *W.shape), b.expand(sequences, *b.shape)
        place = torch.zeros(sequences, dtype=torch.int64, device=W.device)
        return cls(W, b, torch.zeros_like(W), torch.zeros_like(b), place)


def ttt_linear(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    rate: Tensor,
    scale: Tensor,
    gamma: Tensor,
    beta: Tensor,
    initial_state: TTTState,
    *,
    cu_seqlens: Tensor | None = None,
    eps: float = 1e-6,
) -> tuple[Tensor, TTTState]:
    """Test-time training of a linear model, over packed or equally long sequences.

    Args:
        q, k, v: [T, H, F] packed, or [B, L, H, F].
        rate: [T, H] or [B, L, H], learning rate of a token.
        scale: [n], factor of the learning rates as seen from each place of a mini-batch of n.
        gamma, beta: [H, F].
        initial_state: Where to start; see :meth:`TTTState.fresh`.
        cu_seqlens: [S + 1] offsets of the packed sequences; one sequence of T rows if None.
        eps: Of the layer norms.

    Returns:
        o, in the shape of v, and the state after each sequence, from which it can go on at any token.

    Raises:
        ValueError: On shapes, devices or offsets that do not agree.
    """
    packed = flatten("ttt_linear", cu_seqlens, {"rate": rate[..., None]}, q=q, k=k, v=v)
    q, k, v, rate = packed.rows
    _check(q, k, v, rate, scale, gamma, beta, initial_state, packed.sequences)
    form = _compiled if use_kernels(q) and q.shape[2] <= panel(compute_dtype(q.dtype)) else ttt_linear_batched
    o, state = form(q, k, v, rate[..., 0], scale, gamma, beta, initial_state, packed.cu_seqlens, eps)
    return packed.restore(o), state


def ttt_linear_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    rate: Tensor,
    scale: Tensor,
    gamma: Tensor,
    beta: Tensor,
    initial_state: TTTState,
    *,
    cu_seqlens: Tensor | None = None,
    eps: float = 1e-6,
) -> tuple[Tensor, TTTState]:
    """Token by token, the inner gradient by autograd; packed input only."""
    width, rows, finals = q.shape[2], [v.new_zeros(0)] * q.shape[0], []

    def norm(z: Tensor) -> Tensor:
        return gamma * F.layer_norm(z, (width,), eps=eps) + beta

    for s, tokens in enumerate(token_ranges(cu_seqlens, q.shape[0])):
        W, b, A, c = (part[s] for part in initial_state[:4])
        place = int(initial_state.place[s])
        for t in tokens:
            with torch.enable_grad():
                z = torch.einsum("hij,hi->hj", W, k[t]) + b
                z = z if z.requires_grad else z.requires_grad_()
                loss = (norm(z) - (v[t] - k[t])).square().sum() / 2
                (g,) = torch.autograd.grad(loss, z, create_graph=True)
            A = A + rate[t][:, None, None] * k[t][..., None] * g[:, None]
            c = c + rate[t][:, None] * g
            model, offset = W - scale[place] * A, b - scale[place] * c
            rows[t] = q[t] + norm(torch.einsum("hij,hi->hj", model, q[t]) + offset)
            place += 1
            if place == len(scale):
                W, b, A, c, place = model, offset, torch.zeros_like(A), torch.zeros_like(c), 0
        finals.append((W, b, A, c, torch.tensor(place)))
    o = torch.stack(rows) if rows else v.clone()
    if not finals:
        return o, initial_state
    return o, TTTState(*(torch.stack(part) for part in zip(*finals, strict=True)))


def ttt_linear_batched(q: Tensor, k: Tensor, v: Tensor, rate: Tensor, scale: Tensor, gamma: Tensor, beta: Tensor,
                       initial: TTTState, cu_seqlens: Tensor, eps: float) -> tuple[Tensor, TTTState]:  # fmt: skip
    """Plain torch, a mini-batch at a time for all sequences and heads at once: for other devices and wide heads."""
    with full_precision(q):
        return _by_mini_batches(q, k, v, rate, scale, gamma, beta, initial, cu_seqlens, eps)


def _by_mini_batches(q: Tensor, k: Tensor, v: Tensor, rate: Tensor, scale: Tensor, gamma: Tensor, beta: Tensor,
                     initial: TTTState, cu_seqlens: Tensor, eps: float) -> tuple[Tensor, TTTState]:  # fmt: skip
    dtype, n, lengths = compute_dtype(v.dtype), len(scale), lengths_of(cu_seqlens)
    steps = int((initial.place + lengths).max()) if len(lengths) else 0
    # Sequences that start inside a mini-batch are moved along, so that all finish mini-batches together.
    ahead = torch.arange(-(-steps // n) * n, device=q.device) - initial.place[:, None]
    real = (ahead >= 0) & (ahead < lengths[:, None])
    rows = torch.where(real, cu_seqlens[:-1, None].long() + ahead, 0)
    gamma, beta = gamma.to(dtype)[:, None], beta.to(dtype)[:, None]
    W, b, A, c = (x.to(dtype) for x in initial[:4])
    out = torch.zeros_like(v, dtype=dtype)
    for begin in range(0, steps, n):
        row, here = rows[:, begin : begin + n], real[:, begin : begin + n]
        q_, k_, v_ = (gather_rows(x, row).to(dtype).transpose(1, 2) for x in (q, k, v))
        rate_ = (gather_rows(rate, row).to(dtype) * here[..., None]).transpose(1, 2)
        complete = begin + n <= initial.place + lengths
        o, (W, b, A, c) = _mini_batch(q_, k_, v_, rate_, scale, gamma, beta, (W, b, A, c), complete, eps)
        out = out.index_put((row[here],), o.transpose(1, 2)[here])
    W, b, A, c = (x.to(v.dtype) for x in (W, b, A, c))
    return out.to(v.dtype), TTTState(W, b, A, c, (initial.place + lengths) % n)


def _mini_batch(
    q: Tensor, k: Tensor, v: Tensor, rate: Tensor, scale: Tensor, gamma: Tensor, beta: Tensor,
    state: tuple[Tensor, Tensor, Tensor, Tensor], complete: Tensor, eps: float,
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:  # fmt: skip
    """One mini-batch [S, H, n, F]; ``complete`` [S] tells which sequences have all of it."""
    W, b, A, c = state
    width = q.shape[-1]
    z = k @ W + b[:, :, None]
    x = F.layer_norm(z, (width,), eps=eps)
    deviation = torch.sqrt(z.var(-1, correction=0, keepdim=True) + eps)
    inner = gamma * (gamma * x + beta - (v - k))
    g = inner - inner.mean(-1, keepdim=True) - x * (inner * x).mean(-1, keepdim=True)
    g = g / deviation * rate[..., None]
    seen = torch.tril(q @ k.transpose(-1, -2) + 1) @ g + q @ A + c[:, :, None]
    y = q @ W + b[:, :, None] - scale[: q.shape[2], None] * seen
    o = q + gamma * F.layer_norm(y, (width,), eps=eps) + beta
    A, c = A + k.transpose(-1, -2) @ g, c + g.sum(2)
    done, undone = complete[:, None, None].to(A.dtype), (~complete)[:, None, None].to(A.dtype)
    W, b = W - done[..., None] * scale[-1] * A, b - done * scale[-1] * c
    return o, (W, b, undone[..., None] * A, undone * c)


def _panel(width: int, dtype: torch.dtype) -> tuple[int, int]:
    """Registers that hold a row of a head, and their columns."""
    from formerkit.kernels.simd import WIDE

    registers = next(number for number in (1, 2, WIDE) if number * lanes(dtype) >= width)
    return registers, registers * lanes(dtype)


def _check(q: Tensor, k: Tensor, v: Tensor, rate: Tensor, scale: Tensor, gamma: Tensor, beta: Tensor, state: TTTState,
           sequences: int) -> None:  # fmt: skip
    t, h, f = q.shape
    expected: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "k": (k, (t, h, f)),
        "v": (v, (t, h, f)),
        "rate": (rate[..., 0], (t, h)),
        "gamma": (gamma, (h, f)),
        "beta": (beta, (h, f)),
        "W": (state.W, (sequences, h, f, f)),
        "b": (state.b, (sequences, h, f)),
        "A": (state.A, (sequences, h, f, f)),
        "c": (state.c, (sequences, h, f)),
        "place": (state.place, (sequences,)),
    }
    check_shapes("ttt_linear", q.device, expected | {"scale": (scale, scale.shape)})
    if scale.ndim != 1 or scale.numel() < 1:
        raise ValueError(f"ttt_linear: expected scale [n], got shape {tuple(scale.shape)}")
    if state.place.is_floating_point():
        raise ValueError(f"ttt_linear: expected places of an integer dtype, got {state.place.dtype}")
    if bool((state.place < 0).any()) or bool((state.place >= len(scale)).any()):
        raise ValueError(f"ttt_linear: expected places in 0 .. {len(scale) - 1}, got {state.place.tolist()}")


def _compiled(q: Tensor, k: Tensor, v: Tensor, rate: Tensor, scale: Tensor, gamma: Tensor, beta: Tensor,
              initial: TTTState, cu_seqlens: Tensor, eps: float) -> tuple[Tensor, TTTState]:  # fmt: skip
    """Run the kernels, in float32 (float64 if the input is), with heads padded to a panel."""
    dtype, out_dtype, width = compute_dtype(v.dtype), v.dtype, q.shape[2]
    registers, columns = _panel(width, dtype)

    def wide(x: Tensor) -> Tensor:
        return pad_columns(x.to(dtype), columns)

    halves = [torch.cat([W, b[:, :, None]], dim=2) for W, b in ((initial.W, initial.b), (initial.A, initial.c))]
    o, final = _TTT.apply(
        *(wide(x) for x in (q, k, v)), rate.to(dtype), scale.to(dtype), wide(gamma), wide(beta),
        wide(torch.cat(halves, dim=2)), width, registers, cu_seqlens, initial.place, eps,
    )  # fmt: skip
    W, b, A, c = final[..., :width].to(out_dtype).split((width, 1, width, 1), dim=2)
    place = (initial.place + lengths_of(cu_seqlens)) % len(scale)
    return o[..., :width].to(out_dtype), TTTState(W, b[:, :, 0], A, c[:, :, 0], place)


class _TTT(torch.autograd.Function):
    """The compiled form; heads are padded to P columns, the state is [S, H, 2 (F + 1), P]: W, b, A, c."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, rate: Tensor, scale: Tensor, gamma: Tensor, beta: Tensor,
                initial: Tensor, width: int, registers: int, cu_seqlens: Tensor, place: Tensor,
                eps: float) -> tuple[Tensor, Tensor]:  # fmt: skip
        from formerkit.kernels import ttt as kernels
        from formerkit.parallel import run_ranges

        tensors = [x.detach().contiguous() for x in (q, k, v, rate, scale, gamma, beta)]
        initial = initial.detach().contiguous()
        offsets, places = cu_seqlens.to("cpu", torch.int64), place.to(torch.int64)
        lengths = lengths_of(offsets)
        chunk_offsets = starts_of(torch.where(lengths > 0, -(-(lengths + places) // len(scale)), 0))
        _, heads, columns = q.shape
        mask = torch.zeros(columns, dtype=q.dtype)
        mask[:width] = 1
        training = any(ctx.needs_input_grad)
        kept = q.new_empty(int(chunk_offsets[-1]) if training else 0, heads, width + 1, columns)
        o, final = torch.empty_like(tensors[0]), torch.empty_like(initial)
        call = [*(x.numpy() for x in (*tensors, mask)), (heads, width, columns), eps,
                *(x.numpy() for x in (offsets, places, chunk_offsets, initial))]  # fmt: skip
        tasks = (len(offsets) - 1) * heads
        run_ranges(kernels.forward, tasks, (0,) * registers, *call, o.numpy(), final.numpy(), kept.numpy())
        ctx.save_for_backward(*tensors, mask, initial, kept, offsets, places, chunk_offsets)
        ctx.width, ctx.registers, ctx.eps = width, registers, eps
        return o, final

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, go: Tensor, gfinal: Tensor) -> tuple[Tensor | None, ...]:
        from formerkit.kernels import ttt as kernels
        from formerkit.parallel import run_ranges

        *tensors, mask, initial, kept, offsets, places, chunk_offsets = ctx.saved_tensors
        q, _, _, rate, scale, _, _ = tensors
        sequences, (_, heads, columns) = len(offsets) - 1, q.shape
        gq, gk, gv = (torch.empty_like(q) for _ in range(3))
        grate, gscale = torch.empty_like(rate), q.new_empty(sequences, heads, len(scale))
        ggamma, gbeta = (q.new_empty(sequences, heads, columns) for _ in range(2))
        ginitial = torch.empty_like(initial)
        inputs = (*tensors, mask), (offsets, places, chunk_offsets, initial, kept, go.contiguous(), gfinal.contiguous())
        outputs = (gq.view(-1), gk.view(-1), gv, grate.view(-1), gscale, ggamma, gbeta, ginitial)
        run_ranges(
            kernels.backward, sequences * heads, (0,) * ctx.registers, *(x.numpy() for x in inputs[0]),
            (heads, ctx.width, columns), ctx.eps, *(x.numpy() for x in (*inputs[1], *outputs)),
        )  # fmt: skip
        sums = (gscale.sum((0, 1)), ggamma.sum(0), gbeta.sum(0))
        return gq, gk, gv, grate, *sums, ginitial, None, None, None, None, None


class TTTLinear(nn.Module):
    """TTT-Linear: queries, keys and values turned by their place in the mini-batch, the scan, a norm, projection out.

    Args:
        channels: C.
        heads: H, of width C / H.
        mini_batch: n, tokens that are learnt from at once.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape.
    """

    def __init__(self, channels: int, heads: int = 4, mini_batch: int = 16) -> None:
        super().__init__()
        if mini_batch < 1:
            raise ValueError(f"mini_batch: expected at least 1, got {mini_batch}")
        self.heads, self.width = heads, head_width(channels, heads)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(channels, channels, bias=False) for _ in range(4)
        )
        self.rate_weight = nn.Parameter(torch.empty(heads, 1, channels))
        self.rate_bias = nn.Parameter(torch.empty(heads, 1))
        self.token_offset = nn.Parameter(torch.empty(mini_batch))
        self.W = nn.Parameter(torch.empty(heads, self.width, self.width))
        self.b = nn.Parameter(torch.empty(heads, 1, self.width))
        self.norm_weight = nn.Parameter(torch.empty(heads, self.width))
        self.norm_bias = nn.Parameter(torch.empty(heads, self.width))
        self.post_norm = nn.LayerNorm(channels, eps=1e-6)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Small normal weights, as published; the learning rates start half open."""
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.o_proj):
            layer.weight.normal_(0, 0.02)
        for weight in (self.rate_weight, self.W):
            weight.normal_(0, 0.02)
        for zero in (self.rate_bias, self.token_offset, self.b, self.norm_bias):
            zero.zero_()
        self.norm_weight.fill_(1)
        self.post_norm.reset_parameters()

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        return self.with_state(x, None, cu_seqlens)[0]

    def with_state(
        self, x: Tensor, state: MixerState | None = None, cu_seqlens: Tensor | None = None
    ) -> tuple[Tensor, MixerState]:
        """``forward`` of a piece, and where the mixer then stands; see :mod:`formerkit.mixers.state`."""
        rows, offsets = pack(x, cu_seqlens, self.q_proj.in_features)
        state, n = starting(state, rows, offsets.numel() - 1), len(self.token_offset)
        q, k, v = (p(rows).unflatten(1, (self.heads, -1)) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate_all((q, k), offsets, period=n, start=state.seen)
        rate = torch.sigmoid(rows @ self.rate_weight[:, 0].T + self.rate_bias[:, 0]) / self.width
        place = torch.arange(1, n + 1, device=x.device, dtype=self.token_offset.dtype)
        scale = F.relu(1 / place + self.token_offset)
        start = state.memory
        if start is None:
            start = TTTState.fresh(self.W, self.b[:, 0], offsets.numel() - 1)
        o, memory = ttt_linear(
            q, k, v, rate.to(q.dtype), scale, self.norm_weight, self.norm_bias, start, cu_seqlens=offsets
        )
        y = self.o_proj(self.post_norm(o.flatten(1)))
        return y.reshape(x.shape), state.after(memory, state.rows, offsets)
