"""Forms: any rows come back as they were written, and what is cut or crooked is refused, never half understood."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.serve.errors import Malformed, Refusal, TooLarge
from consilience.serve.form import rows

TYPE = "multipart/form-data; boundary=cut"


def form(*parts: tuple[str, bytes | str]) -> bytes:
    """Parts as a client writes them: bytes as a file, text as a field."""
    out = b""
    for name, value in parts:
        file = isinstance(value, bytes)
        out += f'--cut\r\nContent-Disposition: form-data; name="{name}"'.encode()
        out += (b'; filename="f.bin"' if file else b"") + b"\r\n\r\n" + (value if file else value.encode()) + b"\r\n"
    return out + b"--cut--\r\n"


CELLS = st.text(min_size=1, max_size=20) | st.binary(min_size=1, max_size=30).filter(lambda b: b"--cut" not in b)


@given(table=st.lists(st.tuples(CELLS, st.none() | CELLS), min_size=1, max_size=4))
def test_rows_come_back(table):
    parts = [("a", first) for first, _ in table] + [("b", second or "") for _, second in table]
    assert rows(form(*parts), TYPE, most=8) == [{"a": first, "b": second} for first, second in table]


def test_a_column_given_once_too_often_is_named():
    with pytest.raises(Malformed, match="b is given once and a twice") as refused:
        rows(form(("a", "1"), ("a", "2"), ("b", "3")), TYPE, most=8)
    assert refused.value.field == "b"


@pytest.mark.parametrize("length", range(0, 92, 7))
def test_a_form_that_is_cut_off_is_refused(length):
    whole = form(("a", "some words"), ("b", b"file"))
    assert len(whole) > 92
    with pytest.raises(Malformed):
        rows(whole[:length], TYPE, most=8)


def test_what_is_wrong_with_a_part():
    with pytest.raises(Malformed, match="a: not UTF-8") as refused:
        rows(form(("a", "x")).replace(b"\r\n\r\nx", b"\r\n\r\n\xff"), TYPE, most=8)
    assert refused.value.field == "a"
    with pytest.raises(Malformed, match="no name"):
        rows(form(("a", "x")).replace(b'; name="a"', b""), TYPE, most=8)
    with pytest.raises(TooLarge, match="too many parts"):
        rows(form(*[("a", "x")] * 9), TYPE, most=8)
    with pytest.raises(Malformed, match="boundary"):
        rows(b"", "multipart/form-data", most=8)


def test_names_as_browsers_escape_them():
    assert rows(form(("say %22a%22", "x")), TYPE, most=8) == [{'say "a"': "x"}]


@given(content=st.binary(max_size=120), after=st.integers(0, 60))
def test_any_bytes_are_rows_or_a_refusal(content, after):
    whole = form(("a", "x"), ("b", b"y"))
    with contextlib.suppress(Refusal):
        rows(whole[:after] + content + whole[after:], TYPE, most=8)
