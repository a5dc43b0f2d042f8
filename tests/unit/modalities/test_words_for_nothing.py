"""What programs write for "nothing" in columns of files: missing, not bad, whatever modality the column is of."""

import pytest

from consilience.modalities import MODALITIES
from consilience.modalities.base import ColumnSample

FILES = {"image": "a{}.png", "audio": "a{}.wav", "video": "a{}.mp4"}


@pytest.mark.parametrize(
    "word", ["NULL", "null", "NA", "N/A", "n/a", "None", "nan", "NaN", "#N/A", "\\N", "-", " NULL "]
)
@pytest.mark.parametrize("name", FILES)
def test_a_word_for_nothing_is_missing_and_does_not_hide_the_column(name, word, tmp_path) -> None:
    modality = MODALITIES.load(name)()
    assert modality.missing((word,))
    assert not modality.missing((FILES[name].format(1),))
    cells = [word] * 60 + [FILES[name].format(n) for n in range(40)]
    column = ColumnSample(name="c", cells=cells, rows=100, distinct=41, root=tmp_path)
    found = modality.sniff(column)
    assert found is not None
    assert "100 % of the cells" in found.reason
    nothing = ColumnSample(name="c", cells=[word] * 9, rows=9, distinct=1, root=tmp_path)
    assert modality.sniff(nothing) is None
