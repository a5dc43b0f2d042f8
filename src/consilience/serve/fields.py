"""The columns a model may be given, and the values of a request as the model's raw cells. Knows no protocol.

Text that arrives for a file is base64, never a path: no request can make the server read a file or fetch an address.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from consilience.bundle.model import Model
from consilience.core.errors import unknown
from consilience.modalities import MODALITIES
from consilience.modalities.base import Field, is_blank
from consilience.serve.errors import Malformed, TooLarge, Unusable

Row = dict[str, Any]
"""Raw cells by column: str, int, float, bytes."""

_DATA_URL = re.compile(r"data:[^,]{0,200};base64,")


class Fields:
    """The columns of a model's inputs, in the order of its inputs."""

    def __init__(self, model: Model) -> None:
        self.all: dict[str, Field] = {}
        self.input_of: dict[str, str] = {}
        for name in sorted(model.member.inputs):
            given = model.inputs[name]
            modality = MODALITIES.load(given.plan.modality)()
            for field in modality.fields(given.config, given.plan.columns):
                # A column that two inputs read is described by the first.
                self.all.setdefault(field.column, field)
                self.input_of.setdefault(field.column, name)
        self.ignored = frozenset(model.columns) - self.all.keys()
        """Columns of training that the chosen model does not look at may be sent, and make no difference."""

    def rows(self, rows: Sequence[Mapping[str, Any]], *, most: int) -> list[Row]:
        """Rows of JSON values (or bytes, for files) as raw cells. Raises Refusal naming row and field."""
        if len(rows) > most:
            raise TooLarge(f"{len(rows):,} rows, and at most {most:,} are taken at once; send them in parts")
        return [self._row(row, r) for r, row in enumerate(rows)]

    def _row(self, row: Mapping[str, Any], r: int) -> Row:
        if not isinstance(row, Mapping):
            raise Malformed(f"row {r}: expected an object of columns and values, not {_kind(row)}", row=r)
        out: Row = {}
        for column, value in row.items():
            field = self.all.get(column)
            if field is None and column in self.ignored:
                continue
            if field is None:
                name = str(column)[:100]  # looking for the closest known name of a long one would take hours
                raise Unusable(f"row {r}: {unknown('input', name, self.all)}", field=name, row=r)
            if not is_blank(value):
                out[column] = self._cell(field, value, r)
        if not row:
            raise Unusable(f"row {r}: no input is given; the model takes {', '.join(self.all)}", row=r)
        return out

    def _cell(self, field: Field, value: Any, r: int) -> Any:
        if field.form == "file":
            return value if isinstance(value, bytes) else _from_base64(value, field.column, r)
        if isinstance(value, bytes):
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Unusable(f"row {r}, {field.column}: not UTF-8 text", field=field.column, row=r) from error
        if isinstance(value, str | int | float):  # bool is an int
            if isinstance(value, str) and "\0" in value:
                raise Unusable(f"row {r}, {field.column}: text with a NUL character", field=field.column, row=r)
            return value
        raise Unusable(f"row {r}, {field.column}: expected {field.form}, not {_kind(value)}", field=field.column, row=r)


def _from_base64(value: Any, column: str, r: int) -> bytes:
    if not isinstance(value, str):
        raise Unusable(f"row {r}, {column}: expected a file as base64 text, not {_kind(value)}", field=column, row=r)
    start = _DATA_URL.match(value)
    try:
        return base64.b64decode(value[start.end() :] if start else value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unusable(f"row {r}, {column}: not base64 ({error})", field=column, row=r) from error


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return next((said for kind, said in kinds.items() if isinstance(value, kind)), "a number")
