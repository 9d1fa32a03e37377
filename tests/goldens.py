"""Reference numbers: how they are read, and the rule that makes the weights and inputs they were computed with.

The rule is stated in the README beside the numbers: a value depends on a text key, the flat index and a salt.
"""

from __future__ import annotations

import json
import zlib
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from tests.paths import golden


@lru_cache
def salt() -> str:
    return golden("lion", "salt.txt").read_text().strip()


def load(name: str) -> dict[str, np.ndarray]:
    """All arrays of a reference file."""
    with np.load(golden("lion", name), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


@lru_cache
def state_dict_keys() -> dict[str, list]:
    return json.loads(golden("lion", "state_dict_keys.json").read_text())


def centred(key: str, count: int) -> np.ndarray:
    """``count`` float64 values in [-1, 1) that depend on the salt and ``key`` alone."""
    seed = zlib.crc32(f"{salt()}/{key}".encode())
    with np.errstate(over="ignore"):
        h = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        h += np.uint64(seed) * np.uint64(0xD1B54A32D192ED03)
        h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        h ^= h >> np.uint64(31)
    return 2.0 * ((h >> np.uint64(11)).astype(np.float64) * 2.0**-53) - 1.0


def by_rule(key: str, shape: tuple[int, ...], scale: float | None = None) -> Tensor:
    """An input made by rule: unit variance, or ``scale`` times a value in [-1, 1)."""
    values = centred(key, int(np.prod(shape))) * (np.sqrt(3.0) if scale is None else scale)
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def weight(key: str, shape: tuple[int, ...]) -> Tensor:
    """The float32 (or zero int64) value of the state-dict entry ``key`` of the reference."""
    values = _mapped(key, tuple(shape))
    if values is None:
        return torch.zeros(shape, dtype=torch.int64)
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def _mapped(key: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """The table of the README, first matching line first; float64, in ``shape``."""
    count = int(np.prod(shape))
    c = centred(key, count).reshape(shape)
    x = (c + 1) / 2
    n = np.broadcast_to(np.arange(shape[-1]), shape) if shape else np.zeros(())
    fan = count // shape[0] if shape else 1
    last = key.rsplit(".", 1)[-1]
    if last in ("num_batches_tracked", "global_step"):
        return None
    if last == "running_mean":
        return 0.1 * c
    if last == "running_var":
        return (40 if "pfn_layers.0." in key else 1) * (1 + 0.2 * x)
    if key.endswith(("A_log", "A_b_log")):
        return np.log(n + 1) + 0.1 * c
    if key.endswith((".D", ".D_b")):
        return 1 + 0.1 * c
    if key.endswith(("dt_proj.weight", "dt_proj_b.weight")):
        return c / np.sqrt(shape[1])
    if key.endswith(("dt_proj.bias", "dt_proj_b.bias")):
        t = np.exp(np.log(0.001) + x * (np.log(0.1) - np.log(0.001)))
        return t + np.log(1 - np.exp(-t))
    if key.endswith((".gamma1", ".gamma2")):
        return 0.5 + 0.1 * c
    if last in {f"time_maa_{letter}" for letter in "xwkvrg"} | {"spatial_mix_k", "spatial_mix_r"}:
        return x
    if last in ("time_maa_w1", "time_decay_w1"):
        return c * np.sqrt(3 / shape[0])
    if last in ("time_maa_w2", "time_decay_w2"):
        return 0.3 * c * np.sqrt(3 / shape[-2])
    if last == "time_decay":
        return -6 + 5 * n / (shape[-1] - 1) + 0.3 * c
    if last == "time_faaaa":
        return 0.3 * c
    if last == "learnable_skip":
        return 1 + 0.1 * c
    if key.endswith(("igate.weight", "fgate.weight")):
        return 0.3 * c * np.sqrt(3 / shape[1])
    if key.endswith("fgate.bias"):
        return 3 + n + 0.1 * c
    if "rowwise_from_" in key and key.endswith("norm.weight"):
        return 0.1 * c
    if last in ("learnable_token_idx", "b1"):
        return 0.02 * c
    if last == "learnable_ttt_lr_weight":
        return c * np.sqrt(3 / shape[-1])
    if last in ("learnable_ttt_lr_bias", "ttt_norm_bias", "W1"):
        return 0.1 * c
    if last == "ttt_norm_weight":
        return 1 + 0.1 * c
    if "multi_scale_retention." in key:
        return 0.5 * c * np.sqrt(3 / shape[1])
    if key.endswith("conv_cls.bias"):
        return -4 + 0.1 * c
    if key.endswith("conv_box.weight"):
        return 0.2 * c * np.sqrt(3 / fan)
    if last == "bias":
        return 0.1 * c
    if last == "weight" and len(shape) == 1:
        return 1 + 0.1 * c
    if key.startswith("backbone_2d.blocks.") and last == "weight":
        return c * np.sqrt(6 / fan)
    if key.startswith("backbone_2d.deblocks.") and last == "weight":
        return c * np.sqrt(6 / shape[0])
    if last == "weight":
        return c * np.sqrt(3 / fan)
    raise KeyError(f"no line of the weight rule covers {key!r}")
