"""Forms of numbers: what is decided from a column as a whole, what is read by it, and what is refused."""

from __future__ import annotations

import pytest

from consilience.core.number_forms import NumberForm, canonical, form_of, numeric_form, tidy


@pytest.mark.parametrize(
    ("texts", "point", "unit", "values"),
    [
        (["$1,200", "$3.50", "-$7"], ".", "$", [1200, 3.5, -7]),
        (["€ 12.50", "3.00 EUR"], ".", "€", [12.5, 3]),
        (["USD 5", "12.25 USD", "US$ 3"], ".", "$", [5, 12.25, 3]),
        (["(1,200)", "950", "(3.5)"], ".", "", [-1200, 950, -3.5]),
        (["1'234.5", "12’345"], ".", "", [1234.5, 12345]),
        (["1 234,5", "1\xa0234,25", "7\u202f000,5"], ",", "", [1234.5, 1234.25, 7000.5]),
        (["1.234,5", "7,25"], ",", "", [1234.5, 7.25]),
        (["0,512", "1,709"], ",", "", [0.512, 1.709]),
        (["1.234.567", "12"], ",", "", [1234567, 12]),
        (["12,34,567", "1,23,456.5"], ".", "", [1234567, 123456.5]),
        (["12 kg", "3.5 KG", "7"], ".", "kg", [12, 3.5, 7]),
        (["20 °C", "-3.5℃"], ".", "°c", [20, -3.5]),
        (["60 km/h", "5 km/h"], ".", "km/h", [60, 5]),
        (["1 star", "4 stars"], ".", "star", [1, 4]),
        (["1.2M", "3k", "2.5 million", "1bn"], ".", "", [1.2e6, 3e3, 2.5e6, 1e9]),
        (["￥50", "12.5 元", "3万元"], ".", "¥", [50, 12.5, 30000]),
        (["3 万", "1.2亿", "５００"], ".", "", [30000, 1.2e8, 500]),
        (["１２．５", "１，２００．５", "５％"], ".", "", [12.5, 1200.5, 0.05]),
        (["5 千克", "2.5 千克"], ".", "千克", [5, 2.5]),
        (["5年", "30 年"], ".", "年", [5, 30]),
        (["9007199254740993", "-12345678901234567890"], ".", "", [9007199254740993, -12345678901234567890]),
    ],
)
def test_forms_are_found_and_read(texts, point, unit, values):
    forms = form_of(texts)
    assert (forms.form.point, forms.form.unit, forms.ambiguous) == (point, unit, False)
    assert [forms.form.read(tidy(text)) for text in texts] == pytest.approx(values, rel=1e-15)
    assert [type(forms.form.read(t)) for t in texts if len(t) > 15] == [int for t in texts if len(t) > 15]


@pytest.mark.parametrize("texts", [["1,709", "2,456"], ["$1,200", "$3,400"], ["12,500", "13,250", "99,999"]])
def test_one_comma_before_three_digits_is_left_open_unless_the_file_or_a_neighbour_says(texts):
    assert form_of(texts).ambiguous
    assert form_of(texts, delimiter=";").form.point == ","
    assert not form_of(texts, delimiter=";").ambiguous
    plain = form_of([*texts, "5,678", "950"])  # with a decimal comma it would be 950,000
    assert (plain.form.point, plain.ambiguous) == (".", False)
    assert form_of([*texts, "5,4"]).form.point == ","
    assert form_of([*texts, "5.4"]).form.point == "."


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (NumberForm(unit="kg"), "5 g"),
        (NumberForm(), "5 kg"),
        (NumberForm(unit="$"), "5 €"),
        (NumberForm(point=","), "1.5"),
        (NumberForm(), "1,5"),
        *(
            (NumberForm(), text)
            for text in ("1st", "10-20", "1.2.3", "10x20", "5'11\"", "2026年", "3月", "7 pm", "(5", "--1")
        ),
        (NumberForm(unit="kg"), "9" * 400 + "x"),
    ],
)
def test_other_forms_are_refused_with_the_reason(form, text):
    with pytest.raises(ValueError, match="is not a number"):
        form.read(tidy(text))


def test_several_units_are_told_and_not_mixed():
    assert form_of(["5 g", "1 kg", "7 g"]).units == ("g", "kg")
    assert form_of(["5 lb", "7 lbs", "5 Lbs."]).units == ("lb",)
    assert canonical("USD") == canonical("us$") == "$"


@pytest.mark.parametrize("wrong", ["n/a?", "error", "see note"])
def test_one_wrong_text_among_many_numbers_makes_no_labels(wrong):
    many = {str(i / 7): 1 for i in range(1000)}
    assert numeric_form({**many, wrong: 1}) is not None
    assert numeric_form({**many, wrong: 50}) is None
    assert numeric_form({"1": 500, "2": 500, wrong: 1}) is None
    assert numeric_form({**many, "inf": 1, "1e400": 1, "-Infinity": 1}) is not None
