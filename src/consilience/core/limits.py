"""What a cell may cost, checked before it is decoded, and again on the way where a header may lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    bytes: int = 100_000_000
    """Largest file or value of one cell that is read whole, in bytes."""
    pixels: int = 100_000_000
    """Largest image, or frame of a video, in pixels, read off its header; a JPEG, which is decoded at a fraction of its
    size, may have four times as many. Above 178,956,970 it has no effect on images but JPEG: Pillow refuses those."""
    characters: int = 1_000_000
    """Longest text, in characters; a longer one is a bad cell."""
    stream_bytes: int = 10_000_000_000
    """Largest file of one cell that is read piece by piece (sound and film), in bytes."""
    seconds: float = 14_400.0
    """Longest sound or film, in seconds; a longer one is a bad cell."""
    frames: int = 500_000
    """Most frames decoded of one film; one with more is a bad cell."""
    cell_seconds: float = 300.0
    """Longest that loading one cell in a worker process may take, in seconds; then the process is ended, another
    started, and the cell is a bad one."""

    def __post_init__(self) -> None:
        for name in ("bytes", "pixels", "characters", "stream_bytes", "seconds", "frames", "cell_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")
