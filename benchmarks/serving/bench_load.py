"""Our server against the same ONNX sessions called in a bare loop: one worker, distinct rows, loopback, bounded.

    python benchmarks/serving/bench_load.py minilm [--rounds 7] [--rows 160]
    python benchmarks/serving/bench_load.py easy-vqa --run RUN [--rounds 7] [--rows 640]

Bars, for the server's rate over that of the loop: 0.80 at one client against one row at a time, 0.80 at 16 clients
against batches of 16. (Peers, measured once elsewhere with MiniLM: FastAPI 0.82 and 0.48, MLServer 0.46 and 0.79.)

Both sides do the whole way from a raw row to probabilities: pictures are decoded and texts tokenised **in both**, by
the same code, and both give ONNX Runtime one thread. The loop has its rows in memory; the server also gets them over
HTTP (a form with the picture's file for easy-VQA, JSON for MiniLM) and answers in JSON, and the client runs on the same
cores. The sides alternate in short rounds, and the medians of the rounds' rates are compared, so that what else the
machine does weighs on both. Where other jobs fill the cores, the CPU time of a row (of the loop; of the whole server
process, HTTP included) says more than the rates.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is imported; the server inherits it

import numpy as np  # noqa: E402
from _measure import consilience, machine  # noqa: E402

from consilience.bundle.load import load  # noqa: E402
from consilience.bundle.model import Model  # noqa: E402
from consilience.modalities import MODALITIES  # noqa: E402

Row = dict[str, Any]
CLIENTS = 16


def main() -> None:
    command = argparse.ArgumentParser()
    command.add_argument("which", choices=["minilm", "easy-vqa"])
    command.add_argument("--run", type=Path, help="easy-VQA: a run whose chosen model is a network (--preset deep)")
    command.add_argument("--rounds", type=int, default=7)
    command.add_argument("--rows", type=int, default=160, help="rows of each side in each round")
    args = command.parse_args()
    print(f"serving {args.which}; {machine()}; load {os.getloadavg()[0]:.1f}; one compute thread, one worker")
    with tempfile.TemporaryDirectory() as temporary:
        prepare = {"minilm": _minilm, "easy-vqa": _easy_vqa}[args.which]
        model, rows, serving = prepare(Path(temporary), args)
        with serving() as server:
            _compare(Loop(model), rows, server, args.rounds)


# --------------------------------------------------------------------------------------------------------- the loop


class Loop:
    """The same work by hand: decode, collate, the encoders, the fusion, probabilities."""

    def __init__(self, model: Model) -> None:
        self.model, self.names = model, model.member.inputs
        self.modalities = [MODALITIES.load(model.inputs[name].plan.modality)() for name in self.names]
        *self.encoders, self.fusion = model.member._ready()

    def __call__(self, rows: Sequence[Row]) -> np.ndarray:
        values, masks = [], []
        for name, modality, encoder in zip(self.names, self.modalities, self.encoders, strict=True):
            given = self.model.inputs[name]
            loaded = [modality.load((row[name],), given.config, HERE, self.model.limits)[0] for row in rows]
            tokens = given.processor.collate(loaded)
            codes, mask = _session(encoder, [tokens.values, tokens.mask])
            values.append(codes)
            masks.append(mask)
        cells = [np.arange(len(rows))] * len(self.names)
        return self.model.task.activate(_session(self.fusion, [*values, *masks, *cells])[0])


def _session(session: Any, arrays: list[np.ndarray]) -> Any:
    return session.run(None, {node.name: array for node, array in zip(session.get_inputs(), arrays, strict=True)})


# ------------------------------------------------------------------------------------------------------- the models


def _minilm(folder: Path, args: argparse.Namespace) -> tuple[Model, list[Row], Callable[[], Any]]:
    from _minilm import model, write

    write(folder)
    text = "the quick brown fox jumps over lazy dogs while seven small boats sail home through heavy evening rain"
    rng = np.random.default_rng(0)
    rows = [{"sentence": " ".join(rng.choice(text.split(), 18))} for _ in range(args.rows)]
    port = _free_port()
    command = [sys.executable, str(HERE / "_server.py"), str(folder), str(port)]
    return model(folder), rows, lambda: _served(command, port)


def _easy_vqa(folder: Path, args: argparse.Namespace) -> tuple[Model, list[Row], Callable[[], Any]]:
    from consilience.data.sources import read
    from consilience.workflows.demos.easy_vqa import tables as easy_vqa_tables

    root = easy_vqa_tables(folder, rows=1, test_rows=None)
    table = read(folder / "test.csv")
    step = len(table) // args.rows
    chosen = range(0, step * args.rows, step)
    rows = [{"image": (root / table["image"][i]).read_bytes(), "question": table["question"][i]} for i in chosen]
    consilience("export", str(args.run), "--out", str(folder / "exported"), "--json")
    port = _free_port()
    command = [sys.executable, "-m", "consilience", "serve", str(folder / "exported"), "--port", str(port)]
    return load(folder / "exported"), rows, lambda: _served(command, port)


@contextmanager
def _served(command: list[str], port: int) -> Iterator[Server]:
    with tempfile.TemporaryFile() as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink)
        try:
            for _ in range(600):
                with socket.socket() as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield Server(("127.0.0.1", port), process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)


@dataclass(frozen=True)
class Server:
    address: tuple[str, int]
    pid: int

    def cpu(self) -> float:
        """CPU-seconds of the process so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# ------------------------------------------------------------------------------------------------------- the client


def _request(row: Row) -> bytes:
    """One row as an HTTP request: a form where it holds a file, else JSON."""
    if any(isinstance(value, bytes) for value in row.values()):
        parts = []
        for name, value in row.items():
            head = f'--cut\r\nContent-Disposition: form-data; name="{name}"'
            file = isinstance(value, bytes)
            parts += [(head + ('; filename="a"\r\n\r\n' if file else "\r\n\r\n")).encode()]
            parts += [value if file else value.encode(), b"\r\n"]
        content, kind = b"".join([*parts, b"--cut--\r\n"]), "multipart/form-data; boundary=cut"
    else:
        content, kind = json.dumps({"inputs": row}).encode(), "application/json"
    head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _ask(address: tuple[str, int], requests: Sequence[bytes], clients: int) -> tuple[float, list[bytes]]:
    """Seconds until every request is answered over `clients` connections, each sending its next when it has its
    answer; and the answers."""

    async def one(reader: Any, writer: Any, numbers: range) -> None:
        for number in numbers:
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            answers[number] = await reader.readexactly(int(length))
            assert b" 200 " in head[:16], answers[number]

    async def all_of_them() -> float:
        open_ = [await asyncio.open_connection(*address) for _ in range(clients)]
        started = time.perf_counter()
        await asyncio.gather(*(one(r, w, range(c, len(requests), clients)) for c, (r, w) in enumerate(open_)))
        took = time.perf_counter() - started
        for _, writer in open_:
            writer.close()
        return took

    answers: dict[int, bytes] = {}
    took = asyncio.run(all_of_them())
    return took, [answers[number] for number in range(len(requests))]


# --------------------------------------------------------------------------------------------------- the comparison


def _compare(loop: Loop, rows: list[Row], server: Server, rounds: int) -> None:
    requests = [_request(row) for row in rows]
    want = np.concatenate([loop([row]) for row in rows])
    said = [json.loads(answer)["predictions"][0]["probabilities"] for answer in _ask(server.address, requests, 16)[1]]
    worst = float(np.abs(np.array([list(line.values()) for line in said]) - want).max())
    print(f"  the same answers: largest difference {worst:.1e}")
    assert worst < 1e-4
    sides: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {  # what to time, and the CPU-seconds so far
        "loop, one row at a time": (lambda: _timed(loop, rows, 1), time.process_time),
        "server, 1 client": (lambda: _ask(server.address, requests, 1)[0], server.cpu),
        "loop, batches of 16": (lambda: _timed(loop, rows, CLIENTS), time.process_time),
        "server, 16 clients": (lambda: _ask(server.address, requests, CLIENTS)[0], server.cpu),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    spent = dict.fromkeys(sides, 0.0)
    for _ in range(rounds):
        for name, (measure, cpu) in sides.items():
            before = cpu()
            rates[name].append(len(rows) / measure())
            spent[name] += cpu() - before
    each = {name: 1000 * seconds / (rounds * len(rows)) for name, seconds in spent.items()}
    for name, found in rates.items():
        print(
            f"  {name:24} median {statistics.median(found):7.1f} rows/s ({min(found):.1f} to {max(found):.1f}), "
            f"{each[name]:.2f} CPU-ms a row"
        )
    for loop_name, server_name in (tuple(sides)[:2], tuple(sides)[2:]):
        ratio = statistics.median(rates[server_name]) / statistics.median(rates[loop_name])
        print(
            f"  {server_name} over {loop_name}: {ratio:.2f} of the rate (bar 0.80); the loop's CPU time is "
            f"{each[loop_name] / each[server_name]:.2f} of the server's"
        )


def _timed(loop: Loop, rows: list[Row], size: int) -> float:
    started = time.perf_counter()
    for start in range(0, len(rows), size):
        loop(rows[start : start + size])
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
