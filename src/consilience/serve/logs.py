"""Logs of a server: one JSON object a line on standard error, with sizes and times, never with content. A fault is told
by its type and the places in our code: its message may quote what somebody sent.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Any


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "message": record.getMessage().partition("\n")[0],  # asyncio shows the error itself in further lines
        }
        if (request := getattr(record, "request", None)) is not None:
            line |= {key: round(value, 3) if isinstance(value, float) else value for key, value in request.items()}
        if record.exc_info:
            line |= _fault(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _fault(error: BaseException | None) -> dict[str, Any]:
    """The types of an error and of what caused it, and where it came up, innermost last."""
    kinds: list[str] = []
    places: list[list[str]] = []
    while error is not None and len(kinds) < 8:
        kinds.append(type(error).__name__)
        places.append([f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)])
        error = error.__cause__ or error.__context__
    return {"error": kinds, "places": places[0] if places else []}


def start() -> None:
    """Send the logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (
        ("consilience.serve", logging.INFO),
        ("uvicorn.error", logging.WARNING),
        ("asyncio", logging.ERROR),
    ):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # its warnings quote the body
