"""What a server may be asked for and what it refuses: every limit in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    name: str = "model"
    """What the Open Inference Protocol calls the model."""
    body_bytes: int = 64_000_000
    """Largest request body, in bytes, also after unpacking a compressed one."""
    held_bytes: int = 512_000_000
    """Bytes of all request bodies in memory at once, for each worker; a request beyond them gets 503."""
    rows: int = 1_024
    """Most rows of one request."""
    batch_rows: int = 64
    """Most rows answered in one go; requests that wait anyway are answered together, none waits for others."""
    waiting_rows: int = 4_096
    """Rows admitted and not yet answered; more are refused with 503 at once."""
    decoders: int = 2
    """Threads that read and decode requests."""
    timeout: float = 30.0
    """Seconds after which a request that is not answered gets 504."""
    read_timeout: float = 20.0
    """Seconds a client has for sending its body; then 408. It has as long for the head, or the connection is closed."""
    idle_timeout: float = 75.0
    """Seconds a connection may stay open between two requests."""
    drain: float = 10.0
    """Seconds that requests under way have after SIGTERM."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.+-]{1,100}", self.name) or self.name == "stats":
            raise ValueError(f"name {self.name!r}: letters, digits and . _ + - are allowed, and 'stats' is taken")
        for field in ("body_bytes", "held_bytes", "rows", "batch_rows", "waiting_rows", "decoders"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be at least 1")
        for field in ("timeout", "read_timeout", "idle_timeout", "drain"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field} must be above 0 seconds")
