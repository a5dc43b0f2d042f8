"""What the server says of itself to people: the page with one field per input, the docs, and the examples in both.

Nothing is fetched from elsewhere: both pages work offline, and their policy forbids anything else.
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from consilience import __version__
from consilience.modalities.base import Field
from consilience.serve.engine import Engine

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def page(engine: Engine) -> str:
    """The form."""
    fields = "\n".join(_field(number, field) for number, field in enumerate(engine.fields.all.values()))
    about = f"{engine.model.task.kind} with {engine.model.name}. Any field may stay empty."
    return _template("page.html").substitute(
        title=escape(engine.model.target), about=escape(about), fields=fields, version=escape(__version__)
    )


def _field(number: int, field: Field) -> str:
    name, key = escape(field.column, quote=True), f"f{number}"
    inputs = {
        "file": f'<input id="{key}" name="{name}" type="file" accept="{escape(field.accept, quote=True)}">',
        "number": f'<input id="{key}" name="{name}" type="number" step="any" inputmode="decimal">',
        "words": f'<textarea id="{key}" name="{name}" rows="2"></textarea>',
    }
    return f'<div><label for="{key}">{name}</label>{inputs[field.form]}</div>'


def docs(openapi: dict[str, Any]) -> str:
    """The API as a plain page."""
    parts = []
    for path, methods in openapi["paths"].items():
        for method, about in methods.items():
            parts.append(f"<h2><b>{method.upper()}</b> {escape(path)}</h2><p>{escape(about.get('summary', ''))}</p>")
            for kind, content in about.get("requestBody", {}).get("content", {}).items():
                if "example" in content:
                    shown = escape(json.dumps(content["example"], indent=1, ensure_ascii=False))
                    parts.append(f"<p>{escape(kind)}</p><pre>{shown}</pre>")
    title = escape(openapi["info"]["title"])
    return _template("docs.html").substitute(title=title, operations="\n".join(parts))


def operation(method: str, path: str, engine: Engine) -> dict[str, Any]:
    """What OpenAPI is told of a route beyond its path: what stands in the path, and the body, with an example of this
    model's own columns."""
    places = [name for name in ("name", "version") if f"{{{name}}}" in path]
    about: dict[str, Any] = {}
    if places:
        about["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in places
        ]
    if path.endswith("/infer") or path.endswith("/predict"):
        content = _tensor_body(engine) if path.endswith("/infer") else _native_body(engine)
        about["requestBody"] = {"required": True, "content": content}
        about["responses"] = {code: {"description": why, "content": _ERROR} for code, why in _REFUSALS.items()}
    return about


_ERROR = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {"type": "string"},
                "field": {"type": "string", "description": "the column it is about"},
                "row": {"type": "integer", "description": "from 0"},
                "id": {"type": "string"},
            },
        }
    }
}
_REFUSALS = {
    "400": "the request cannot be read",
    "404": "there is no such model or version",
    "408": "the body did not arrive in time",
    "413": "the body, or its number of rows, is over the limit",
    "422": "a value cannot be used",
    "503": "too much is waiting; come again after Retry-After seconds",
    "504": "no answer in time",
}


def _native_body(engine: Engine) -> dict[str, Any]:
    shown = {"file": "<base64>", "number": 1.5, "words": "some words"}
    types: dict[str, dict[str, Any]] = {
        "file": {"type": ["string", "null"], "contentEncoding": "base64"},
        "number": {"type": ["number", "string", "null"]},
        "words": {"type": ["string", "number", "boolean", "null"]},
    }
    row: dict[str, Any] = {c: types[f.form] for c, f in engine.fields.all.items()}
    row |= {c: {"description": "not looked at by this model"} for c in sorted(engine.fields.ignored)}
    one = {"type": "object", "properties": row, "additionalProperties": False}
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}]}},
        "additionalProperties": False,
    }
    form = {
        c: {"type": "string", **({"format": "binary"} if f.form == "file" else {})}
        for c, f in engine.fields.all.items()
    }
    example = {"inputs": {c: shown[f.form] for c, f in engine.fields.all.items()}}
    return {
        "application/json": {"schema": schema, "example": example},
        "multipart/form-data": {"schema": {"type": "object", "properties": form}},
    }


def _tensor_body(engine: Engine) -> dict[str, Any]:
    inputs = [
        {"name": c, "shape": [1], "datatype": "FP64", "data": [1.5]}
        if f.form == "number"
        else {"name": c, "shape": [1], "datatype": "BYTES", "data": ["some words"]}
        for c, f in engine.fields.all.items()
        if f.form != "file"
    ]
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"type": "array", "items": {"type": "object"}}},
    }
    return {"application/json": {"schema": schema, "example": {"inputs": inputs}}}


def _template(name: str) -> Template:
    return Template(files("consilience.serve").joinpath(name).read_text(encoding="utf-8"))
