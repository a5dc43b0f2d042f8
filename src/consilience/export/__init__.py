"""A trained model in a form that other machines run. One file per target; the table of what there is."""

from consilience.core.registry import Family

TARGETS = Family("export target", {"onnx": "consilience.export.onnx:convert"})
