"""The running scale of mLSTM's memory: ``m_t = max(log_f_t + m_{t-1}, i_t)``."""

from __future__ import annotations

import numba


@numba.njit(cache=True, nogil=True)
def stabilise(first, last, log_f, i, offsets, reverse, empty, start, before, after, final):
    """Sequences ``first`` to ``last``.

    Args:
        log_f, i, before, after: [T, H]; the last two, m before and after each token, are written.
        offsets: [S + 1] first token of each sequence.
        empty: An m at or below half of this is that of a memory without content; a first token's ``before`` is then
            its ``after``.
        start, final: [S, H].
    """
    for sequence in range(first, last):
        length = offsets[sequence + 1] - offsets[sequence]
        for h in range(log_f.shape[1]):
            m = start[sequence, h]
            for step in range(length):
                t = offsets[sequence + 1] - 1 - step if reverse else offsets[sequence] + step
                now = max(log_f[t, h] + m, i[t, h])
                before[t, h] = now if m <= empty / 2 else m
                after[t, h] = now
                m = now
            final[sequence, h] = m
