"""The contract of every feature-level fusion. A new one is tested by being listed."""

import pytest
import torch

from consilience.core.batch import Tokens
from consilience.fusion import FEATURE_FUSIONS

WIDTH, ROWS = 16, 6
NAMES = ("sound", "a photo", "b.title")


def build(kind, names=NAMES):
    torch.manual_seed(0)
    cls = FEATURE_FUSIONS.load(kind)
    return cls(cls.Config(), names, WIDTH).eval()


def make(fusion, *, seed=0, names=NAMES, missing=()):
    generator = torch.Generator().manual_seed(seed)
    length = 1 if fusion.pooled else 4
    inputs = {}
    for name in names:
        mask = torch.rand(ROWS, length, generator=generator) > 0.4
        mask[:, 0] = True
        mask[list(missing)] = False
        inputs[name] = Tokens(values=torch.randn(ROWS, length, WIDTH, generator=generator), mask=mask)
    return inputs


@pytest.fixture(params=list(FEATURE_FUSIONS))
def kind(request):
    return request.param


def test_order_of_inputs_is_irrelevant(kind):
    fusion = build(kind)
    inputs = make(fusion)
    again = build(kind, NAMES[::-1])
    again.load_state_dict(fusion.state_dict())
    turned = dict(reversed(list(inputs.items())))
    assert torch.equal(again(turned).pooled, fusion(inputs).pooled)


def test_masked_positions_never_leak(kind):
    fusion = build(kind)
    inputs = make(fusion, missing=[1, 4])
    scribbled = {
        name: Tokens(values=t.values.masked_fill(~t.mask.unsqueeze(-1), float("nan")), mask=t.mask)
        for name, t in inputs.items()
    }
    assert torch.equal(fusion(scribbled).pooled, fusion(inputs).pooled)


@pytest.mark.parametrize("gone", [[], ["sound"], ["a photo", "b.title"], list(NAMES)])
def test_finite_whatever_is_missing(kind, gone):
    fusion = build(kind)
    inputs = make(fusion)
    for name in gone:
        inputs[name] = Tokens(values=inputs[name].values, mask=torch.zeros_like(inputs[name].mask))
    fused = fusion(inputs).pooled
    assert fused.shape == (ROWS, fusion.width)
    assert torch.isfinite(fused).all()


def test_missing_is_not_a_zero(kind):
    fusion = build(kind)
    inputs = make(fusion)
    tokens = inputs["sound"]
    zero = {**inputs, "sound": Tokens(values=torch.zeros_like(tokens.values), mask=tokens.mask)}
    gone = {**inputs, "sound": Tokens(values=tokens.values, mask=torch.zeros_like(tokens.mask))}
    assert not torch.allclose(fusion(zero).pooled, fusion(gone).pooled)


def test_a_row_depends_on_itself_alone(kind):
    fusion = build(kind)
    inputs = make(fusion)
    alone = {name: tokens.map(lambda t: t[2:3]) for name, tokens in inputs.items()}
    torch.testing.assert_close(fusion(alone).pooled[0], fusion(inputs).pooled[2])


def test_every_input_counts(kind):
    fusion = build(kind)
    inputs = make(fusion)
    for name in NAMES:
        other = {**inputs, name: make(fusion, seed=1)[name]}
        assert not torch.allclose(fusion(other).pooled, fusion(inputs).pooled)


@pytest.mark.parametrize("names", [NAMES, NAMES[:1]])
def test_every_parameter_trains(kind, names):
    fusion = build(kind, names).train()
    inputs = make(fusion, names=names)
    for row, name in enumerate(names):  # each input missing somewhere
        inputs[name].mask[row] = False
    (fusion(inputs).pooled ** 2).sum().backward()
    idle = [n for n, p in fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_saves_and_loads_bit_for_bit(kind, tmp_path):
    from safetensors.torch import load_file, save_file

    fusion = build(kind)
    save_file(fusion.state_dict(), tmp_path / "f.safetensors")
    torch.manual_seed(1)
    cls = FEATURE_FUSIONS.load(kind)
    again = cls(cls.Config(), NAMES, WIDTH).eval()
    again.load_state_dict(load_file(tmp_path / "f.safetensors"))
    assert torch.equal(again(make(fusion)).pooled, fusion(make(fusion)).pooled)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_exports_with_a_dynamic_batch(kind, tmp_path):
    import onnxruntime as ort

    class Flat(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fusion = build(kind)

        def forward(self, values, masks):
            pairs = zip(NAMES, values, masks, strict=True)
            return self.fusion({n: Tokens(values=v, mask=m) for n, v, m in pairs}).pooled

    def tensors(rows):
        inputs = make(build(kind), missing=[1])
        return [inputs[n].values[:rows] for n in NAMES], [inputs[n].mask[:rows] for n in NAMES]

    rows = torch.export.Dim("rows", min=1)
    dims = ([{0: rows}] * 3, [{0: rows}] * 3)
    torch.onnx.export(Flat(), tensors(4), dynamic_shapes=dims, dynamo=True).save(str(tmp_path / "f.onnx"))
    session = ort.InferenceSession(str(tmp_path / "f.onnx"))
    for count in (1, 6):
        values, masks = tensors(count)
        given = dict(zip([i.name for i in session.get_inputs()], [t.numpy() for t in values + masks], strict=True))
        want = Flat()(values, masks).detach()
        torch.testing.assert_close(torch.from_numpy(session.run(None, given)[0]), want, atol=1e-5, rtol=1e-4)
