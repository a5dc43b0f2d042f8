"""Masked arithmetic on torch tensors. A masked position never reaches a result, whatever it holds."""

from __future__ import annotations

from typing import Any

from consilience.core.precision import run_recurrent


def masked(values: Any, mask: Any) -> Any:
    """Values [N, T, D] with masked positions set to zero (even NaN and infinity)."""
    import torch

    # Not masked_fill, which copies and then goes over the copy, forwards and backwards.
    return torch.where(mask.unsqueeze(-1), values, 0.0)


def masked_mean(values: Any, mask: Any) -> Any:
    """[N, T, D], [N, T] -> [N, D]; zero where nothing is present."""
    if values.shape[1] == 1:
        return masked(values, mask).squeeze(1)
    return masked(values, mask).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def masked_max(values: Any, mask: Any) -> Any:
    """[N, T, D], [N, T] -> [N, D]; zero where nothing is present."""
    if values.shape[1] == 1:
        return masked(values, mask).squeeze(1)
    lowest = values.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(1)
    return lowest.masked_fill(~mask.any(1, keepdim=True), 0.0)


def halved(mask: Any) -> Any:
    """[N, T] -> every second position, as many as a convolution of stride 2 and "same" padding leaves.

    Not `mask[:, ::2]`: torch.export writes the length of that another way than a convolution's, cannot see that the two
    are equal, and then allows one length only. T must be at least 3: a length of 1 would be burnt into a graph.
    """
    import torch

    count = (mask.shape[1] - 1) // 2 + 1
    return mask[:, 2 * torch.arange(count, device=mask.device)]


def lengthened(values: Any, mask: Any, by: int) -> tuple[Any, Any]:
    """[N, T, D], [N, T] with `by` masked positions at the end."""
    from torch.nn.functional import pad

    return pad(values, (0, 0, 0, by)), pad(mask, (0, by))


def both_ways(forwards: Any, backwards: Any, values: Any, mask: Any) -> Any:
    """Two recurrent networks (batch first) over the real positions of [N, T, D], one from the first to the last and one
    from the last to the first -> what both say at each position [N, T, 2 H], zero where the mask is False."""
    import torch

    place = mask.cumsum(1)  # 1 for the first real position, 2 for the second, ...
    before = _read(forwards, values, mask, place - 1)
    after = _read(backwards, values, mask, place[:, -1:] - place)
    return masked(torch.cat([before, after], dim=-1), mask)


def _read(network: Any, values: Any, mask: Any, turn: Any) -> Any:
    """What the network says at each real position when it reads only those, in the order of `turn` (0, 1, ...).

    Real positions are gathered to the front, so what stands elsewhere is read after them and cannot reach them. Unlike
    a packed sequence this needs no sorting by length, no copy to the CPU, and it exports to ONNX.
    """
    import torch

    length = mask.shape[1]
    end = length + torch.arange(length, device=mask.device)
    order = torch.argsort(torch.where(mask, turn, end), dim=1)
    said, _ = run_recurrent(network, _pick(values, order))
    return _pick(said, turn.masked_fill(~mask, 0))


def _pick(values: Any, index: Any) -> Any:
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
