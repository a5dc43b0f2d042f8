"""Where MPEG audio (MP3, AAC) begins that has no container: frames that follow each other. Decodes nothing.

Headers: ISO 11172-3 and 13818-3 (layers I to III), 13818-7 (ADTS).
"""

from __future__ import annotations

IN_A_ROW = 3
"""Frames that tell MPEG audio from chance, where it does not begin at the start."""
_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KILOBITS = {
    (True, 3): tuple(range(0, 449, 32)),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _LOW,
    (False, 1): _LOW,
}
"""By whether it is MPEG-1 and by the two bits of the layer (3: layer I)."""


def first_frame(content: bytes) -> int | None:
    """Where the first of some frames in a row begins, each where the one before it says; None where there are none."""
    at = content.find(b"\xff")
    while at != -1:
        name, here = None, at
        for _ in range(IN_A_ROW):
            found, size = frame(content, here)
            if found is None or not size or (name or found) != found:
                break
            name, here = found, here + size
        else:
            return at
        at = content.find(b"\xff", at + 1)
    return None


def frame(content: bytes, at: int = 0) -> tuple[str | None, int]:
    """FFmpeg's name ("mp3", "aac") of the frame at this place, None where there is none, and its bytes (0: unknown)."""
    head = content[at : at + 6]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None, 0
    version, layer, bitrate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if layer == 0:
        if head[1] & 0xF0 != 0xF0 or head[2] >> 2 & 15 >= 13:
            return None, 0
        return "aac", (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) == 6 else 0
    if bitrate == 15 or rate == 3 or version == 1:
        return None, 0
    kilobits = _KILOBITS[version == 3, layer][bitrate]
    hertz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    padding = head[2] >> 1 & 1
    if not kilobits:
        return "mp3", 0
    if layer == 3:
        return "mp3", (12_000 * kilobits // hertz + padding) * 4
    return "mp3", (72 if layer == 1 and version != 3 else 144) * 1_000 * kilobits // hertz + padding
