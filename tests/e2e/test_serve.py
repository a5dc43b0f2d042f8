"""The service as its users meet it: a real process, curl, tritonclient over HTTP and gRPC, a browser, Prometheus."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import consilience as cs

pytestmark = pytest.mark.slow


def lacking(program: str) -> bool:
    """Whether a test that needs the program may be left out. In CI it may not: there it fails without."""
    return shutil.which(program) is None and "CI" not in os.environ


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def serving(path: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], dict]]:
    command = [sys.executable, "-m", "consilience", "serve", str(path), "--port", "0", "--json", *flags]
    with tempfile.TemporaryFile("w+") as logs:  # a pipe that nobody reads would fill up and block the server
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=logs, text=True)
        process.stderr = logs
        try:
            line = process.stdout.readline()
            assert line, (logs.seek(0), logs.read())
            yield process, json.loads(line)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_mixed_table):
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def run(folder, make_mixed_table):
    config = {"preset": "classic", "classic": {"single": ["linear"], "joined": ["linear"]}}
    return cs.fit(make_mixed_table(folder, rows=90), target="label", config=config, out=folder / "run").run


@pytest.fixture(scope="module")
def photo(run):
    return next((run.parent / "photos").glob("*.png"))


@pytest.fixture(scope="module")
def served(run):
    port = free_port()
    with serving(run, "--grpc-port", str(port)) as (_, about):
        yield about


def post(url: str, body: bytes, kind: str = "application/json") -> tuple[int, dict]:
    request = urllib.request.Request(url + "/v1/predict", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_curl_sends_a_file_as_it_is(served, run, photo):
    command = ["curl", "-sS", "-F", f"photo=@{photo}", "-F", "review=this broke", "-F", "price=3.5"]
    done = subprocess.run([*command, served["url"] + "/v1/predict"], capture_output=True, text=True, check=True)
    want = cs.load(run).predict({"photo": photo.read_bytes(), "review": "this broke", "price": 3.5})
    assert json.loads(done.stdout)["predictions"][0]["prediction"] == want[0]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.filterwarnings("ignore")  # the client's own
def test_tritonclient_works_unchanged(protocol, served, run, photo):
    import tritonclient.grpc
    import tritonclient.http

    module = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
    address = {"http": served["url"].removeprefix("http://"), "grpc": served["grpc"]}[protocol]
    client = module.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("model")  # noqa: PT018
    assert not client.is_model_ready("other")
    metadata = client.get_model_metadata("model")
    names = [i["name"] for i in metadata["inputs"]] if protocol == "http" else [i.name for i in metadata.inputs]
    assert set(names) == {"photo", "review", "price", "shop", "day"}

    content = photo.read_bytes()
    pictures = module.InferInput("photo", [3, 1], "BYTES")
    pictures.set_data_from_numpy(np.array([[content], [b""], [content]], dtype=object))
    prices = module.InferInput("price", [3], "FP32")
    prices.set_data_from_numpy(np.array([1.5, 2.5, np.nan], np.float32))
    found = client.infer("model", [pictures, prices], request_id="seven")
    rows = [{"photo": content, "price": 1.5}, {"photo": None, "price": 2.5}, {"photo": content, "price": None}]
    np.testing.assert_allclose(found.as_numpy("probabilities"), cs.load(run).predict_proba(rows), atol=1e-9)
    assert [word.decode() for word in found.as_numpy("prediction")] == cs.load(run).predict(rows)

    only = client.infer("model", [prices], outputs=[module.InferRequestedOutput("prediction")])
    assert only.as_numpy("probabilities") is None
    with pytest.raises(Exception, match="unknown model"):
        client.infer("other", [prices])
    broken = module.InferInput("photo", [1], "BYTES")
    broken.set_data_from_numpy(np.array([b"none"], dtype=object))
    with pytest.raises(Exception, match="photo"):
        client.infer("model", [broken])
    with pytest.raises(Exception, match="photo"):
        client.infer("model", [broken])
    statistics = client.get_inference_statistics("model", **({} if protocol == "http" else {"as_json": True}))
    assert int(statistics["model_stats"][0]["inference_stats"]["success"]["count"]) >= 2
    index = client.get_model_repository_index(**({} if protocol == "http" else {"as_json": True}))
    models = index if protocol == "http" else index["models"]
    assert [(model["name"], model["state"]) for model in models] == [("model", "READY")]
    if protocol == "http":
        packed = client.infer("model", [prices], request_compression_algorithm="gzip")
        assert packed.as_numpy("prediction").shape == (3,)
    client.close()


def test_grpc_health(served):
    import grpc

    from consilience.serve.grpc import HEALTH

    with grpc.insecure_channel(served["grpc"]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HEALTH["HealthCheckRequest"].SerializeToString,
            response_deserializer=HEALTH["HealthCheckResponse"].FromString,
        )
        assert check(HEALTH["HealthCheckRequest"](), timeout=10).status == 1


def bodies(photo: Path) -> dict[str, tuple[str, dict[str, str], bytes]]:
    """A good request in each of the forms HTTP takes: path, headers, body."""
    content = photo.read_bytes()
    native = json.dumps({"inputs": {"photo": base64.b64encode(content).decode(), "review": "x"}}).encode()
    inputs = [
        {"name": "photo", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(content) + 4}},
        {"name": "price", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}},
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    raw = head + len(content).to_bytes(4, "little") + content + np.array([2.5]).tobytes()
    form = (
        b'--x\r\nContent-Disposition: form-data; name="review"\r\n\r\nfine\r\n--x\r\nContent-Disposition: form-data; '
    )
    form += b'name="photo"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + content + b"\r\n--x--\r\n"
    return {
        "json": ("/v1/predict", {"Content-Type": "application/json"}, native),
        "form": ("/v1/predict", {"Content-Type": "multipart/form-data; boundary=x"}, form),
        "tensors": ("/v2/models/model/infer", {"Inference-Header-Content-Length": str(len(head))}, raw),
    }


def odd(good: bytes, rng: random.Random, *, printable: bool) -> bytes:
    """Some bytes changed; sometimes cut off, or something else altogether."""
    body = bytearray(good)
    for _ in range(rng.randint(1, 5)):  # printable ones leave most of it JSON, so that it reaches the decoder
        body[rng.randrange(len(body))] = rng.randrange(32, 127) if printable else rng.randrange(256)
    kind = rng.random()
    if kind < 0.15:
        return bytes(body[: rng.randrange(len(body))])
    return rng.randbytes(rng.randint(0, 300)) if kind < 0.2 else bytes(body)


@pytest.mark.parametrize("form", ["json", "form", "tensors"])
def test_hundreds_of_odd_bodies_and_still_serving(form, served, photo):
    """With those over gRPC a thousand; no 5xx but 503."""
    path, headers, good = bodies(photo)[form]
    rng = random.Random(form)

    def send(body: bytes) -> int:
        request = urllib.request.Request(served["url"] + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code if json.load(error).get("error") else 599

    assert send(good) == 200
    tried = [odd(good, rng, printable=form == "json") for _ in range(300)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, tried))
    assert {status for status in statuses if status >= 500} <= {503}
    assert sum(status >= 400 for status in statuses) > 80
    assert send(good) == 200


def test_odd_bodies_over_grpc_and_still_serving(served, photo):
    import grpc

    from consilience.serve.grpc import OIP

    content = photo.read_bytes()
    request = OIP["ModelInferRequest"](model_name="model")
    request.inputs.add(name="photo", datatype="BYTES", shape=[1])
    request.inputs.add(name="price", datatype="FP32", shape=[1, 1])
    request.raw_input_contents.extend([len(content).to_bytes(4, "little") + content, np.float32(1.5).tobytes()])
    good, rng = request.SerializeToString(), random.Random(0)
    with grpc.insecure_channel(served["grpc"]) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")  # bytes in, bytes out

        def send(body: bytes) -> grpc.StatusCode:
            try:
                call(body, timeout=30)
            except grpc.RpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        assert send(good) is grpc.StatusCode.OK
        codes = [send(odd(good, rng, printable=False)) for _ in range(200)]
        assert send(good) is grpc.StatusCode.OK
    assert grpc.StatusCode.INVALID_ARGUMENT in codes
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    with urllib.request.urlopen(served["url"] + "/metrics", timeout=10) as answer:
        assert b'consilience_errors_total{reason="internal"}' not in answer.read()


def test_a_body_of_100_mb_is_refused_unread(served):
    host, _, port = served["url"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n{")
        answer = sock.recv(4096)
    assert b" 413 " in answer.split(b"\r\n")[0]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_finishes_what_is_under_way(workers, run):
    """A request whose body is still on its way at SIGTERM is answered; new connections are refused; the exit code is
    0, within the time for draining even though one client never ends."""
    body = b'{"inputs": {"review": "x"}}'
    head = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    flags = ["--drain", "3", "--workers", workers, "--grpc-port", "0"]
    with serving(run, *flags) as (process, about):
        host, _, port = about["url"].removeprefix("http://").partition(":")
        with (
            socket.create_connection((host, int(port)), timeout=10) as under_way,
            socket.create_connection((host, int(port)), timeout=10) as endless,
            socket.create_connection((host, int(port)), timeout=10) as idle,
        ):
            for sock in (under_way, endless):
                sock.sendall(head + body[:5])
            time.sleep(0.3)
            os.kill(process.pid, signal.SIGTERM)
            started = time.monotonic()
            time.sleep(1.0)
            with pytest.raises(ConnectionError):
                socket.create_connection((host, int(port)), timeout=5)
            under_way.sendall(body[5:])
            assert under_way.recv(65_536).startswith(b"HTTP/1.1 200")
            assert process.wait(timeout=20) == 0
            assert time.monotonic() - started < 10
            late = endless.recv(65_536)
            assert late == b"" or late.startswith(b"HTTP/1.1 503")
            assert idle.recv(10) == b""


def test_a_worker_that_dies_is_replaced_and_takes_its_gauges_along(run):
    def workers_of(process: subprocess.Popen) -> set[int]:
        """Children that serve (multiprocessing has one more, its resource tracker)."""
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                command = Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:  # gone meanwhile
                continue
            if parent == process.pid and command and "resource_tracker" not in command:
                found.add(int(pid))
        return found

    with serving(run, "--workers", "2") as (process, about):
        before = workers_of(process)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        for _ in range(200):
            time.sleep(0.1)
            if len(workers_of(process)) == 2 and workers_of(process) != before:
                break
        assert len(workers_of(process) - before) == 1
        outcomes = [post(about["url"], b'{"inputs": {"review": "x"}}')[0] for _ in range(6)]
        assert outcomes == [200] * 6
        with urllib.request.urlopen(about["url"] + "/metrics", timeout=10) as answer:
            assert "consilience_in_flight_requests 0.0" in answer.read().decode()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_workers_that_cannot_load_the_model_end_the_server(run, tmp_path):
    """The files are as the manifest says, but do not fit together."""
    from consilience.bundle.manifest import seal, unseal

    shutil.copytree(run / "bundle", tmp_path / "odd")
    seal(tmp_path / "odd", {**unseal(tmp_path / "odd"), "model": {"kind": "classic", "state": {}}})
    for workers in ("1", "2"):
        command = [sys.executable, "-m", "consilience", "serve", str(tmp_path / "odd"), "--port", "0"]
        done = subprocess.run([*command, "--workers", workers], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2, done.stderr
        assert "do not fit together" in done.stderr


def test_several_workers_share_the_port_and_add_up_their_metrics(run):
    with serving(run, "--workers", "2", "--grpc-port", str(free_port())) as (process, about):
        for _ in range(12):
            assert post(about["url"], b'{"inputs": {"review": "x"}}')[0] == 200
        with urllib.request.urlopen(about["url"] + "/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'consilience_requests_total{code="200",protocol="native"} 12.0' in text
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_a_taken_port_and_a_folder_that_is_no_model(run, tmp_path):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        command = [sys.executable, "-m", "consilience", "serve", str(run), "--port", str(sock.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    done = subprocess.run([*command[:-3], str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "neither a run nor a bundle" in done.stderr


def test_logs_hold_no_content(run):
    with serving(run) as (process, about):
        post(about["url"], b'{"inputs": {"review": "very secret words"}}')
        post(about["url"], b'{"inputs": {"price": "very secret price"}}')
        os.kill(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
        process.stderr.seek(0)
        logged = process.stderr.read()
    lines = [json.loads(line) for line in logged.splitlines()]
    assert [line["status"] for line in lines if "status" in line] == [200, 422]
    assert "secret" not in logged


@pytest.mark.skipif(lacking("promtool"), reason="Debian's prometheus is not installed (.ci/run does)")
def test_prometheus_scrapes_it(served, tmp_path):
    post(served["url"], b'{"inputs": {"review": "x"}}')
    with urllib.request.urlopen(served["url"] + "/metrics", timeout=10) as answer:
        text = answer.read()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    port, target = free_port(), served["url"].removeprefix("http://")
    config = {"scrape_configs": [{"job_name": "c", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        query = f"http://127.0.0.1:{port}/api/v1/query?query=consilience_requests_total"
        found: list = []
        for _ in range(60):
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(query, timeout=5) as answer:
                    found = json.load(answer)["data"]["result"]
            except OSError:
                continue
            if found:
                break
        assert any(series["metric"]["protocol"] == "native" for series in found)
    finally:
        process.terminate()
        process.wait(timeout=20)


def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=390,844"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or ""
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


@pytest.mark.skipif(lacking("chromedriver"), reason="chromium-driver is not installed (.ci/run does)")
@pytest.mark.filterwarnings("ignore")  # selenium's own
def test_the_page_in_a_browser(served, run, photo, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    driver = browser()
    try:
        driver.get(served["url"])
        wide = driver.execute_script("return document.documentElement.scrollWidth > window.innerWidth")
        assert not wide, "a phone needs no sideways scrolling"
        driver.find_element(By.NAME, "photo").send_keys(str(photo))
        driver.find_element(By.NAME, "review").send_keys("this broke")
        driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        said = WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.CSS_SELECTOR, "#answer .prediction"))
        want = cs.load(run).predict({"photo": photo.read_bytes(), "review": "this broke"})[0]
        assert said[0].text == want
        assert len(driver.find_elements(By.CSS_SELECTOR, "#answer .bar")) == 4
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"none")
        driver.find_element(By.NAME, "photo").send_keys(str(broken))
        driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        error = WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.CSS_SELECTOR, "#answer.error"))
        assert "photo" in error[0].text
        assert [entry for entry in driver.get_log("browser") if "Content Security" in entry["message"]] == []
    finally:
        driver.quit()
