"""What this processor can compute in bf16, found out by trying. Knows no model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


def can_run_bf16(kind: Any, device_type: str) -> bool:
    """Whether a recurrent layer of this class (`nn.LSTM`, `nn.GRU`) trains in bf16 here. Only CPUs may fail: oneDNN has
    no bf16 LSTM for x86-64 without AVX-512 and raises a RuntimeError in the first step."""
    return device_type != "cpu" or _trains_on_cpu(kind)


def run_recurrent(network: Any, values: Any) -> Any:
    """What a recurrent layer returns for `values` [N, T, D]: under bf16 autocast in bf16, or in fp32 where the
    processor cannot do otherwise."""
    import torch

    device_type = values.device.type
    if not torch.is_autocast_enabled(device_type) or can_run_bf16(type(network), device_type):
        return network(values)
    with torch.autocast(device_type, enabled=False):
        return network(values.float())


@lru_cache(maxsize=8)
def _trains_on_cpu(kind: Any) -> bool:
    import torch

    state = torch.get_rng_state()  # a layer draws its first weights: the caller's random numbers stay as they are
    try:
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
            kind(2, 2, batch_first=True)(torch.zeros(1, 2, 2))[0].float().sum().backward()
    except RuntimeError:
        return False
    finally:
        torch.set_rng_state(state)
    return True
