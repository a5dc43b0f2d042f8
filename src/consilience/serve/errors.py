"""What a request can be refused for, each with its HTTP status; the gRPC codes follow from it. Knows no protocol.

Refusal
├── Malformed 400    the request cannot be read
├── TooLarge 413     the body, or its number of rows, is over the limit
├── Unusable 422     a value cannot be used: the message names its row and field
├── UnknownModel 404
├── Slow 408         the body did not arrive in time
├── Gone 499         the client went away; nobody reads this answer, it is counted
├── Busy 503         too much is waiting already; the client is told when to come again
└── TimedOut 504     no answer in time
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """Why a request is not answered. `field`: the input column it is about, `row`: its row, from 0."""

    status: ClassVar[int] = 400
    reason: ClassVar[str] = "malformed"
    """For metrics and logs; never a word of the request."""

    def __init__(self, message: str, *, field: str | None = None, row: int | None = None) -> None:
        self.message, self.field, self.row = message, field, row
        super().__init__(message)

    def json(self) -> dict[str, object]:
        """The error as every protocol of ours tells it."""
        extra = {"field": self.field, "row": self.row}
        return {"error": self.message, **{key: value for key, value in extra.items() if value is not None}}


class Malformed(Refusal):
    pass


class TooLarge(Refusal):
    status, reason = 413, "too_large"


class Unusable(Refusal):
    status, reason = 422, "unusable"


class UnknownModel(Refusal):
    status, reason = 404, "unknown_model"


class Slow(Refusal):
    status, reason = 408, "slow_body"


class Gone(Refusal):
    status, reason = 499, "client_gone"


class Busy(Refusal):
    status, reason = 503, "busy"
    retry_after: ClassVar[int] = 1
    """Seconds: a full queue is answered within about that time."""


class TimedOut(Refusal):
    status, reason = 504, "timeout"
