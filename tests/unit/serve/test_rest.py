"""The routes: answers equal the model's own, and whatever is wrong gets its 4xx with a JSON error that names it."""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
import logging
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from consilience.models.constant import Constant
from consilience.serve import rest
from consilience.serve.body import _DEPTH
from consilience.serve.config import ServeConfig
from consilience.serve.engine import Engine
from consilience.serve.logs import JsonLines
from consilience.serve.metrics import Metrics


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def row(photo: bytes) -> dict[str, object]:
    return {"photo": b64(photo), "review": "large one: this broke", "price": 12.5, "shop": "north", "day": "2026-03-04"}


def expect_error(answer, status: int, *words: str) -> dict:
    found = answer.json()
    assert answer.status_code == status, found
    for word in words:
        assert word in found["error"]
    return found


# ------------------------------------------------------------------------------------------------------- answers


def test_json_answers_equal_the_models_own(client, model, photo):
    rows = [row(photo), {"review": "fine"}, {"price": 3, "photo": None}]
    found = client.post("/v1/predict", json={"inputs": rows}).json()
    want = model.predict_proba([{**r, "photo": photo if r.get("photo") else None} for r in rows])
    assert len(found["predictions"]) == 3
    for line, probabilities in zip(found["predictions"], want, strict=True):
        assert list(line["probabilities"]) == list(model.classes)
        np.testing.assert_allclose(list(line["probabilities"].values()), probabilities, atol=1e-9)
        assert line["prediction"] == model.classes[int(probabilities.argmax())]


def test_one_row_one_row_in_a_list_and_a_form_are_the_same(client, photo):
    one = client.post("/v1/predict", json={"inputs": row(photo)}).json()["predictions"]
    listed = client.post("/v1/predict", json={"inputs": [row(photo)]}).json()["predictions"]
    fields = {k: str(v) for k, v in row(photo).items() if k != "photo"}
    form = client.post("/v1/predict", data=fields, files={"photo": ("a.png", photo, "image/png")}).json()["predictions"]
    assert one == listed == form


def test_a_data_url_is_base64_too(client, photo):
    plain = client.post("/v1/predict", json={"inputs": {"photo": b64(photo)}}).json()
    url = client.post("/v1/predict", json={"inputs": {"photo": f"data:image/png;base64,{b64(photo)}"}}).json()
    assert plain["predictions"] == url["predictions"]


def test_the_request_id_is_kept_when_it_is_harmless(client):
    body = {"inputs": {"review": "fine"}}
    kept = client.post("/v1/predict", json=body, headers={"X-Request-ID": "order-7"})
    assert kept.headers["x-request-id"] == kept.json()["id"] == "order-7"
    made = client.post("/v1/predict", json=body, headers={"X-Request-ID": 'x" onload='})
    assert made.headers["x-request-id"] != 'x" onload='


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("inputs", "status", "words"),
    [
        ({"reveiw": "x"}, 422, ["'reveiw'", "Did you mean 'review'"]),
        ({"review": ["x"]}, 422, ["review", "a list"]),
        ({"review": {"a": 1}}, 422, ["review", "an object"]),
        ({"price": "cheap"}, 422, ["price"]),
        ({"price": [1]}, 422, ["price"]),
        ({"photo": "/etc/hostname"}, 422, ["photo", "base64"]),
        ({"photo": "photos/train-000.png"}, 422, ["photo", "base64"]),
        ({"photo": 7}, 422, ["photo", "a number"]),
        ({"photo": b64(b"no picture at all")}, 422, ["photo", "not an image"]),
        ({"review": "a\0b"}, 422, ["review", "NUL"]),
        ({}, 422, ["no input is given"]),
        ([], 400, ["empty list"]),
        ([[1]], 400, ["row 0", "an object"]),
        ("text", 400, ["row 0"]),
        ([{"review": "x"}] * 21, 413, ["21 rows"]),
    ],
)
def test_wrong_inputs_are_named(client, inputs, status, words):
    expect_error(client.post("/v1/predict", json={"inputs": inputs}), status, *words)


def test_the_error_names_row_and_field(client, photo):
    found = expect_error(
        client.post("/v1/predict", json={"inputs": [{"review": "x"}, {"photo": b64(photo[:60])}]}),
        422,
        "row 1",
        "photo",
    )
    assert (found["row"], found["field"]) == (1, "photo")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b'{"a": 1}', b'{"inputs": {}, "b": 1}', b"NaN", b"\0"])
def test_broken_json(client, body):
    assert client.post("/v1/predict", content=body).status_code in (400, 422)


def test_deep_json_is_refused_before_it_is_parsed(client):
    deep = b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    expect_error(client.post("/v1/predict", content=deep), 413, "200,000 parts")
    expect_error(client.post("/v1/predict", content=deep.replace(b"[" * 99_000, b"")), 400, f"{_DEPTH} deep")
    brackets_in_text = {"inputs": {"review": "[{" * 500}}
    assert client.post("/v1/predict", json=brackets_in_text).status_code == 200


def test_large_bodies(client, photo):
    large = {"inputs": {"review": "x" * 400_000}}
    expect_error(client.post("/v1/predict", json=large), 413, "300,000")
    chunks = (b"x" * 10_000 for _ in range(40))  # no content-length
    expect_error(client.post("/v1/predict", content=chunks), 413, "300,000")
    bomb = gzip.compress(b" " * 5_000_000)
    expect_error(client.post("/v1/predict", content=bomb, headers={"content-encoding": "gzip"}), 413, "unpacked")


def test_compressed_bodies(client):
    body = json.dumps({"inputs": {"review": "fine"}}).encode()
    for name, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        assert client.post("/v1/predict", content=packed, headers={"content-encoding": name}).status_code == 200
        cut = client.post("/v1/predict", content=packed[:-9], headers={"content-encoding": name})
        expect_error(cut, 400, name)
    expect_error(client.post("/v1/predict", content=body, headers={"content-encoding": "br"}), 400, "br")


def test_a_picture_of_a_billion_pixels_is_refused_by_its_header(client):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    expect_error(client.post("/v1/predict", json={"inputs": {"photo": b64(png)}}), 422, "photo")


def test_forms(client, photo):
    broken = client.post(
        "/v1/predict", content=b"--x\r\nbroken", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert broken.status_code in (400, 422)
    expect_error(
        client.post("/v1/predict", content=b"a=1", headers={"content-type": "application/x-www-form-urlencoded"}), 400
    )
    expect_error(client.post("/v1/predict", files={"review": ("a.txt", b"\xff\xfe\x00", "text/plain")}), 422, "review")
    expect_error(client.post("/v1/predict", files={"picture": ("a.png", photo, "image/png")}), 422, "'picture'")


def test_errors_of_ours_tell_nothing_and_the_server_stays_up(client, engine, monkeypatch):
    monkeypatch.setattr(engine, "_predict", lambda _: 1 / 0)
    found = expect_error(client.post("/v1/predict", json={"inputs": {"review": "secret"}}), 500)
    assert found["error"] == "the server failed on this request"
    monkeypatch.undo()
    assert client.post("/v1/predict", json={"inputs": {"review": "fine"}}).status_code == 200


def test_unknown_paths_and_methods(client):
    expect_error(client.get("/nothing"), 404)
    expect_error(client.get("/v1/predict"), 405)


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/metrics", "/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/stats",
     "/v2/models/model", "/v2/models/model/ready", "/v2/models/model/stats"],
)  # fmt: skip
def test_whatever_answers_get_answers_head(client, path):
    head = client.head(path)
    assert (head.status_code, head.content) == (client.get(path).status_code, b"") == (200, b"")
    refused = client.options(path)
    assert refused.status_code == 405
    assert {*refused.headers["allow"].split(", ")} == {"GET", "HEAD"}


# ------------------------------------------------------------------------------------------- the open protocol


def infer(client, inputs, path="/v2/models/model/infer", **more):
    return client.post(path, json={"inputs": inputs, **more})


def tensor(name, datatype, data, shape=None):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def test_json_tensors(client, model):
    found = infer(
        client, [tensor("review", "BYTES", ["fine", ""]), tensor("price", "INT32", [3, 5], [2, 1])], id="seven"
    ).json()
    assert (found["model_name"], found["model_version"], found["id"]) == ("model", "1", "seven")
    outputs = {o["name"]: o for o in found["outputs"]}
    assert outputs["prediction"]["shape"] == [2]
    want = model.predict_proba([{"review": "fine", "price": 3}, {"review": None, "price": 5}])
    np.testing.assert_allclose(np.reshape(outputs["probabilities"]["data"], (2, -1)), want, atol=1e-9)


def binary(client, inputs, raw, **more):
    head = json.dumps({"inputs": inputs, **more}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    return client.post("/v2/models/model/versions/1/infer", content=head + raw, headers=length)


def test_binary_tensors_both_ways(client, photo):
    raw = len(photo).to_bytes(4, "little") + photo + np.array([2.5]).tobytes()
    inputs = [
        {"name": "photo", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(photo) + 4}},
        {"name": "price", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}},
    ]
    answer = binary(client, inputs, raw, parameters={"binary_data_output": True})
    assert answer.status_code == 200
    size = int(answer.headers["inference-header-content-length"])
    head, rest = json.loads(answer.content[:size]), answer.content[size:]
    sizes = [o["parameters"]["binary_data_size"] for o in head["outputs"]]
    assert len(rest) == sum(sizes)
    said = rest[4 : sizes[0]].decode()
    plain = client.post("/v1/predict", json={"inputs": {"photo": b64(photo), "price": 2.5}}).json()["predictions"][0]
    assert said == plain["prediction"]
    np.testing.assert_allclose(np.frombuffer(rest[sizes[0] :]), list(plain["probabilities"].values()), atol=1e-9)
    one = binary(client, inputs, raw, outputs=[{"name": "prediction", "parameters": {"binary_data": False}}])
    assert [o["data"] for o in one.json()["outputs"]] == [[said]]


@pytest.mark.parametrize(
    ("inputs", "status", "word"),
    [
        ([], 400, "no inputs"),
        ("x", 400, "list"),
        ([{}], 400, "name"),
        ([tensor("review", "BYTES", ["a"], [2])], 400, "review"),
        ([tensor("review", "BYTES", ["a"], [-1])], 400, "shape"),
        ([tensor("review", "BYTES", ["a"], [1, 2])], 400, "shape"),
        ([tensor("review", "BYTES", ["a"], [True])], 400, "shape"),
        ([tensor("review", "BYTES", ["a"], [10**12])], 413, "rows"),
        ([tensor("review", "TEXT", ["a"])], 400, "TEXT"),
        ([tensor("review", "BYTES", [1])], 400, "text"),
        ([tensor("price", "FP32", ["a"])], 400, "numbers"),
        ([tensor("price", "BYTES", ["a"])], 422, "price"),
        ([tensor("photo", "FP32", [1.0])], 422, "photo"),
        ([tensor("reveiw", "BYTES", ["a"])], 422, "review"),
        ([tensor("review", "BYTES", ["a"]), tensor("price", "FP32", [1.0, 2.0])], 400, "different numbers"),
        ([tensor("review", "BYTES", ["a"]), tensor("review", "BYTES", ["b"])], 400, "same name"),
    ],
)
def test_wrong_tensors(client, inputs, status, word):
    expect_error(infer(client, inputs), status, word)


@pytest.mark.parametrize("size", [-1, 3, 5, 10**9, "4", None])
def test_wrong_binary_lengths(client, size):
    given = {"name": "price", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": size}}
    expect_error(binary(client, [given], b"\0\0\0\0"), 400)


def test_wrong_header_lengths(client):
    for length in ("-1", "99999", "x", "1"):
        answer = client.post(
            "/v2/models/model/infer",
            content=b'{"inputs": []}',
            headers={"Inference-Header-Content-Length": length},
        )
        expect_error(answer, 400)


def test_bytes_that_lie_about_their_length(client):
    given = {"name": "review", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}}
    expect_error(binary(client, [given], b"\xff\xff\xff\xffab"), 400, "review")
    expect_error(binary(client, [given], b"\x00\x00\x00\x00\x01\x00"), 400, "review")


def test_unknown_models_versions_and_outputs(client):
    inputs = [tensor("review", "BYTES", ["a"])]
    expect_error(infer(client, inputs, "/v2/models/other/infer"), 404, "'other'")
    expect_error(infer(client, inputs, "/v2/models/model/versions/2/infer"), 404, "'2'")
    expect_error(infer(client, inputs, outputs=[{"name": "logits"}]), 400, "'logits'")
    expect_error(client.get("/v2/models/other"), 404)
    expect_error(client.get("/v2/models/other/ready"), 404)


def test_what_the_server_says_of_itself(client, engine):
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").status_code == 200
    for path in ("/v2", "/v2/"):
        assert client.get(path, follow_redirects=False).json()["name"] == "consilience"
    about = client.get("/v2/models/model/versions/1").json()
    assert {i["name"]: i["datatype"] for i in about["inputs"]} == {
        "photo": "BYTES", "review": "BYTES", "price": "FP64", "shop": "BYTES", "day": "BYTES",
    }  # fmt: skip
    assert {o["name"]: o["shape"] for o in about["outputs"]} == {"prediction": [-1], "probabilities": [-1, 4]}
    engine.ready = False
    assert client.get("/v2/health/ready").status_code == 503
    assert client.get("/v2/models/model/ready").status_code == 503


# ------------------------------------------------------------------------------------------------- pages, metrics


def test_the_page_has_one_field_per_column_and_fetches_nothing(client):
    answer = client.get("/")
    for column, kind in (("photo", 'type="file"'), ("price", 'type="number"'), ("review", "textarea")):
        assert f'name="{column}"' in answer.text
        assert kind in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_docs_show_every_route_and_an_example(client):
    text = client.get("/docs").text
    for path in ("/v1/predict", "/v2/models/{name}/infer", "/metrics"):
        assert path in text
    assert "&lt;base64&gt;" in text
    assert set(client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]["requestBody"]["content"]) == {
        "application/json", "multipart/form-data",
    }  # fmt: skip


def test_metrics_count_what_happened(client, photo):
    client.post("/v1/predict", json={"inputs": [{"photo": b64(photo)}, {"review": "x"}]})
    client.post("/v1/predict", json={"inputs": {"photo": b64(b"none")}})
    client.post("/v1/predict", content=b"{")
    text = client.get("/metrics").text
    for line in (
        'consilience_requests_total{code="200",protocol="native"} 1.0',
        'consilience_requests_total{code="422",protocol="native"} 1.0',
        'consilience_errors_total{reason="unusable"} 1.0',
        'consilience_errors_total{reason="malformed"} 1.0',
        'consilience_input_rows_total{input="photo"} 1.0',
        'consilience_input_missing_rows_total{input="photo"} 1.0',
        'consilience_input_decode_failures_total{input="photo"} 1.0',
        "consilience_batch_rows_count 1.0",
        "consilience_in_flight_requests 0.0",
        "consilience_queue_rows 0.0",
    ):
        assert line in text, line
    assert 'consilience_stage_duration_seconds_count{stage="compute"}' in text


# ----------------------------------------------------------------------------------------------------------- fuzz

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["inputs", "name", "shape", "datatype", "data", "photo", "price", "x"]), inner
        )
    ),
    max_leaves=12,
)


BODIES = st.one_of(st.binary(max_size=200), JSON.map(lambda value: json.dumps(value).encode()))


@settings(max_examples=150)
@given(content=BODIES, header=st.text("0123456789-", max_size=3))
def test_no_body_is_a_fault_of_ours(fuzzed, content, header):
    headers = {"Inference-Header-Content-Length": header} if header else {}
    for path in ("/v1/predict", "/v2/models/model/infer"):
        answer = fuzzed.post(path, content=content, headers=headers)
        assert answer.status_code < 500, answer.text
        assert answer.status_code == 200 or answer.json()["error"]


@pytest.fixture(scope="module")
def fuzzed(model):
    engine = Engine(model, ServeConfig(body_bytes=300_000, rows=20), Metrics())
    with TestClient(rest.application(engine), raise_server_exceptions=False) as client:
        yield client
        assert client.post("/v1/predict", json={"inputs": {"review": "fine"}}).status_code == 200


def test_pictures_are_decoded_by_content_not_by_name(client):
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9), (200, 40, 40)).save(buffer, "JPEG")
    answer = client.post("/v1/predict", files={"photo": ("a.png", buffer.getvalue(), "image/png")})
    assert answer.status_code == 200


# ------------------------------------------------------------------------------------ columns nobody looks at


@pytest.fixture
def narrow(model):
    """A client of a model that was trained on five columns and looks at the picture alone."""
    member = copy.copy(model.member)
    member.inputs = ("photo",)
    member.predict = lambda view: np.full((len(view), model.task.width), 1 / model.task.width)
    engine = Engine(replace(model, member=member), ServeConfig(), Metrics())
    with TestClient(rest.application(engine), raise_server_exceptions=False) as client:
        yield client


def test_columns_that_the_model_does_not_look_at_may_be_sent_and_are_not_listed(narrow, photo):
    both = {"photo": b64(photo), "price": 3, "review": ["not even text"]}
    assert narrow.post("/v1/predict", json={"inputs": both}).status_code == 200
    assert narrow.post("/v1/predict", data={"price": "3"}, files={"photo": ("a", photo)}).status_code == 200
    tensors = [tensor("photo", "BYTES", [b64(photo)]), tensor("price", "FP32", [1.5]), tensor("shop", "BYTES", ["a"])]
    assert infer(narrow, tensors).status_code == 200
    expect_error(infer(narrow, [*tensors, tensor("prize", "FP32", [1.0])]), 422, "'prize'")
    assert [i["name"] for i in narrow.get("/v2/models/model").json()["inputs"]] == ["photo"]
    assert 'name="price"' not in narrow.get("/").text


def test_a_body_that_is_the_one_input_as_it_is(narrow, client, photo):
    answer = narrow.post("/v2/models/model/infer", content=photo, headers={"Inference-Header-Content-Length": "0"})
    assert answer.status_code == 200
    size = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.content[:size])["outputs"][0]["parameters"]["binary_data_size"] > 4
    expect_error(client.post("/v2/models/model/infer", content=photo, headers={"Inference-Header-Content-Length": "0"}),
                 400, "5")  # fmt: skip


def test_a_model_that_looks_at_nothing_answers_every_row(model):
    member = Constant(np.full(model.task.width, 1 / model.task.width))
    with TestClient(rest.application(Engine(replace(model, member=member), ServeConfig(), Metrics()))) as client:
        found = client.post("/v1/predict", json={"inputs": [{"price": 1}, {"review": "x"}]}).json()
        assert len(found["predictions"]) == 2


# ---------------------------------------------------------------------------------------------- never half understood


def test_many_rows_in_one_form(client, photo):
    parts = [("photo", ("a", photo)), ("photo", ("b", b"")), ("review", (None, "fine")), ("review", (None, ""))]
    found = client.post("/v1/predict", files=parts).json()["predictions"]
    rows = [{"photo": b64(photo), "review": "fine"}, {"photo": None}]
    assert found == client.post("/v1/predict", json={"inputs": rows}).json()["predictions"]
    expect_error(client.post("/v1/predict", files=parts[:3]), 400, "review", "photo")


@pytest.mark.parametrize(
    ("content", "status", "word"),
    [
        (b'{"inputs": {"review": "a", "review": "b"}}', 400, "'review' is given twice"),
        (b'{"inputs": {"review": "\\ud800"}}', 400, "surrogate"),
        (b'{"inputs": {"\\ud800": "a"}}', 400, "surrogate"),
        (b'{"inputs": {"price": Infinity}}', 422, "price"),
        (b'{"inputs": {"price": 1e999}}', 422, "price"),
        (b'{"inputs": {"price": ' + b"9" * 400 + b"}}", 422, "price"),
        (b'{"inputs": {"price": ' + b"9" * 5000 + b"}}", 400, "JSON"),
        (b'{"inputs": {"' + b"x" * 200_000 + b'": 1}}', 422, "unknown input"),
        (b'{"inputs": [' + b"{}," * 80_000 + b"{}]}", 413, "200,000 parts"),
        (b'{"inputs": "' + b'\\"[' * 80_000 + b'"}', 400, "row 0"),
    ],
)
def test_json_that_python_would_take(client, content, status, word):
    expect_error(client.post("/v1/predict", content=content), status, word)


@pytest.mark.parametrize("content", [b'{"inputs": {"price": NaN}}', b'{"inputs": {"review": "\\ud83d\\ude00"}}'])
def test_json_that_is_meant(client, content):
    assert client.post("/v1/predict", content=content).status_code == 200


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("INT8", 128), ("UINT8", -1), ("INT32", 1.5), ("INT64", True), ("BOOL", 1), ("FP32", "1"), ("FP32", None)],
)
def test_json_tensors_hold_what_their_type_says(client, datatype, value):
    expect_error(infer(client, [tensor("price", datatype, [value])]), 400, "price", datatype)


@pytest.mark.parametrize("given", ["a\r\nX-Evil: 1", "中文", "x" * 5000, ""])
def test_an_id_is_echoed_in_the_body_and_never_a_header_of_its_own(client, given):
    answer = infer(client, [tensor("review", "BYTES", ["a"])], id=given)
    assert answer.status_code == 200
    assert answer.json()["id"] == given or not given
    assert "x-evil" not in answer.headers
    assert len(answer.headers["x-request-id"]) <= 128


def test_statistics_and_index(client):
    infer(client, [tensor("review", "BYTES", ["a", "b"])])
    client.post("/v1/predict", content=b"{")
    for path in ("/v2/models/stats", "/v2/models/model/stats", "/v2/models/model/versions/1/stats"):
        (found,) = client.get(path).json()["model_stats"]
        assert (found["name"], found["inference_count"], found["execution_count"]) == ("model", 2, 1)
        assert (found["inference_stats"]["success"]["count"], found["inference_stats"]["fail"]["count"]) == (1, 1)
        assert found["inference_stats"]["compute_infer"]["ns"] > 0
    expect_error(client.get("/v2/models/other/stats"), 404, "'other'")
    assert client.post("/v2/repository/index").json() == [
        {"name": "model", "version": "1", "state": "READY", "reason": ""}
    ]
    assert client.get("/v2/models").json() == {"models": ["model"]}


def test_a_server_that_is_stopping_says_when_to_come_again(client, engine):
    engine.close()
    answer = client.post("/v1/predict", json={"inputs": {"review": "a"}})
    expect_error(answer, 503, "stopping")
    assert answer.headers["retry-after"] == "1"
    assert client.get("/v2/health/ready").headers["retry-after"] == "1"


def test_a_fault_is_logged_without_what_was_sent(client, engine, monkeypatch):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(JsonLines().format(record))
    monkeypatch.setattr(rest.log, "handlers", [handler])

    def fail(_):
        try:
            raise ValueError("secret words")
        except ValueError as error:
            raise KeyError("secret words") from error

    monkeypatch.setattr(engine, "_predict", fail)
    client.post("/v1/predict", json={"inputs": {"review": "secret words"}})
    (fault,) = [json.loads(line) for line in lines if "error" in json.loads(line)]
    assert fault["error"] == ["KeyError", "ValueError"]
    assert any("fail" in place for place in fault["places"])
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize("name", ["", "a/b", "stats", "x" * 101, "a b"])
def test_names_that_no_address_can_hold(name):
    with pytest.raises(ValueError, match="name"):
        ServeConfig(name=name)
