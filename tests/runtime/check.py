"""Half two of `make runtime-test`, with the base install alone: the exported folder predicts and serves.

python tests/runtime/check.py FOLDER
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

FORBIDDEN = ("torch", "sklearn", "lightgbm", "scipy", "pandas", "pyarrow", "onnx", "pytest")
MOST_MB = 300
MOST_SECONDS = 2.0
TOLERANCE = 1e-4


def main() -> None:
    folder = Path(sys.argv[1])
    found = [name for name in FORBIDDEN if importlib.util.find_spec(name)]
    assert not found, f"the base install brings {found}"
    size = sum(p.stat().st_size for p in Path(sysconfig.get_path("purelib")).rglob("*") if p.is_file()) / 1e6
    print(f"base install: {size:.0f} MB")
    assert size <= MOST_MB

    command = [sys.executable, "-m", "consilience", "predict", str(folder / "exported"), str(folder / "train.csv")]
    subprocess.run([*command, "--proba", "--out", str(folder / "predicted.csv")], check=True)
    with (folder / "predicted.csv").open(encoding="utf-8", newline="") as file:
        rows = [[float(v) for k, v in row.items() if k.startswith("proba_")] for row in csv.DictReader(file)]
    want = json.loads((folder / "expected.json").read_text())
    worst = max(
        abs(a - b) for got, expected in zip(rows, want, strict=True) for a, b in zip(got, expected, strict=True)
    )
    print(f"predict: {len(rows)} rows, largest difference {worst:.2g}")
    assert worst <= TOLERANCE

    seconds, cpu, resident = min(_serve(folder) for _ in range(2))  # the first also compiles Python files
    print(f"serve: first answer after {seconds:.2f} s ({cpu:.2f} CPU-seconds), {resident:.0f} MB resident")
    assert resident <= MOST_MB
    assert seconds <= MOST_SECONDS
    assert cpu <= 0.75 * MOST_SECONDS  # which a busy machine does not hide, nor an idle one


def _serve(folder: Path) -> tuple[float, float, float]:
    """Seconds from the start of the process to the first answer, its CPU-seconds, and its resident memory in MB."""
    started = time.monotonic()
    command = [sys.executable, "-m", "consilience", "serve", str(folder / "exported"), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        about = json.loads(process.stdout.readline())
        body = json.dumps({"inputs": {"review": "this broke", "price": 3.5}}).encode()
        request = urllib.request.Request(about["url"] + "/v1/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["predictions"][0]["prediction"]
        seconds = time.monotonic() - started
        status = Path(f"/proc/{process.pid}/status").read_text()
        kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return seconds, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), kilobytes / 1000
    finally:
        process.terminate()
        process.wait(timeout=20)


if __name__ == "__main__":
    main()
