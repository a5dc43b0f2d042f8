"""What every image encoder promises, and what the convolutional one adds. New encoders are tested by being listed."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from consilience.core.batch import Tokens
from consilience.modalities.image import ENCODERS, Image
from consilience.modalities.image.config import Config
from consilience.modalities.image.encoders import grid

SHAPE = {"channels": 3, "height": 32, "width": 32}

encoders = pytest.mark.parametrize("kind", sorted(ENCODERS))


def build(kind: str, shape: dict[str, int] = SHAPE, **settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    cls = ENCODERS.load(kind)
    return cls(cls.Config(**settings), shape)


def pictures(count: int, missing: tuple[int, ...] = (), side: int = 32) -> Tokens:
    values = torch.randn(count, 1, 3, side, side, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(count, 1, dtype=torch.bool)
    for row in missing:
        values[row], mask[row] = 0, False
    return Tokens(values=values, mask=mask)


@encoders
def test_shapes_and_masks(kind: str) -> None:
    encoder = build(kind).eval()
    out = encoder(pictures(5, missing=(2,)))
    assert out.values.ndim == 3
    assert out.values.shape[2] == encoder.width
    assert out.mask.shape == out.values.shape[:2]
    assert out.mask.any(1).tolist() == [True, True, False, True, True]
    assert out.mask.all(1).tolist() == out.mask.any(1).tolist()


@encoders
@pytest.mark.parametrize("training", [False, True])
def test_all_missing_is_finite(kind: str, training: bool) -> None:
    encoder = build(kind).train(training)
    out = encoder(pictures(3, missing=(0, 1, 2)))
    assert torch.isfinite(out.values).all()
    assert not out.mask.any()


@encoders
@pytest.mark.parametrize("training", [False, True])
def test_what_a_masked_picture_holds_never_matters(kind: str, training: bool) -> None:
    clean = pictures(4, missing=(1,))
    scribbled = Tokens(values=clean.values.clone(), mask=clean.mask)
    scribbled.values[1] = float("nan")
    one, two = (build(kind).train(training) for _ in range(2))
    assert torch.equal(one(clean).values, two(scribbled).values)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


@encoders
def test_a_row_does_not_depend_on_the_others(kind: str) -> None:
    encoder = build(kind).eval()
    tokens = pictures(6, missing=(4,))
    whole = encoder(tokens).values
    for row in range(6):
        torch.testing.assert_close(encoder(tokens.map(lambda a, row=row: a[row : row + 1])).values[0], whole[row])


@encoders
def test_every_parameter_gets_a_gradient(kind: str) -> None:
    encoder = build(kind).train()
    encoder(pictures(4, missing=(3,))).values.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@encoders
def test_weights_survive_saving(kind: str) -> None:
    encoder = build(kind).train()
    encoder(pictures(4))
    torch.manual_seed(9)
    cls = ENCODERS.load(kind)
    other = cls(cls.Config(), SHAPE)
    other.load_state_dict({name: value.clone() for name, value in encoder.state_dict().items()})
    assert torch.equal(encoder.eval()(pictures(3)).values, other.eval()(pictures(3)).values)


@encoders
def test_training_batches_of_one_picture_work(kind: str) -> None:
    assert torch.isfinite(build(kind).train()(pictures(1)).values).all()


@encoders
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's exporter and onnxscript warn about themselves
def test_onnx_agrees(kind: str) -> None:
    import onnxruntime

    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = build(kind).eval()

        def forward(self, values: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            out = self.encoder(Tokens(values=values, mask=mask))
            return out.values, out.mask

    flat, example = Flat().eval(), pictures(3, missing=(1,))
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.onnx.export(
        flat, (example.values, example.mask), dynamo=True, dynamic_shapes=({0: batch}, {0: batch}), verbose=False
    )
    buffer = io.BytesIO()
    program.save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    for count, missing in ((1, ()), (5, (0, 3)), (2, (0, 1))):
        tokens = pictures(count, missing)
        feed = {i.name: t.numpy() for i, t in zip(session.get_inputs(), (tokens.values, tokens.mask), strict=True)}
        values, mask = session.run(None, feed)
        expected = flat(tokens.values, tokens.mask)
        np.testing.assert_allclose(values, expected[0].detach().numpy(), atol=1e-4)
        assert np.array_equal(mask, expected[1].numpy())


@pytest.mark.parametrize(("side", "stages"), [(16, 1), (32, 2), (64, 3), (96, 4), (128, 4), (224, 5), (8, 1)])
@encoders
def test_stages_grow_with_the_picture(kind: str, side: int, stages: int) -> None:
    shape = {"channels": 3, "height": side, "width": side}
    assert grid.halvings(shape) == stages
    encoder = build(kind, shape, width=24, channels=4).eval()
    tokens = -(-side // 2**stages)
    assert encoder(pictures(2, side=side)).values.shape == (2, tokens * tokens, 24)


@pytest.mark.parametrize("side", [20, 33, 50])
@encoders
def test_odd_sides_agree_between_both_ways_of_training(kind: str, side: int) -> None:
    shape = {"channels": 3, "height": side, "width": side}
    one, two = (build(kind, shape, width=24, channels=8).train() for _ in range(2))
    full, holed = pictures(3, side=side), pictures(4, side=side, missing=(3,))
    holed.values[:3] = full.values
    torch.testing.assert_close(one(full).values, two(holed).values[:3])


@encoders
def test_group_norm_and_dropout_are_what_they_say(kind: str) -> None:
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in build(kind, norm="group").modules())
    dropped = build(kind, dropout=0.5).train()(pictures(4)).values
    kept = build(kind).train()(pictures(4)).values
    assert (dropped == 0).float().mean() > (kept == 0).float().mean() + 0.1


@encoders
def test_impossible_settings_are_refused(kind: str) -> None:
    config = ENCODERS.load(kind).Config
    counts = {"width", "channels", "blocks", "convolutions"} & set(config.__dataclass_fields__)
    for wrong in ({"dropout": 1.0}, *({name: 0} for name in counts)):
        with pytest.raises(ValueError, match="must be"):
            config(**wrong)


def test_depth_is_convolutions() -> None:
    def depth(kind: str, **settings: int) -> int:
        return sum(
            isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3) for m in build(kind, **settings).modules()
        )

    assert [depth("resnet", blocks=n) for n in (1, 2, 4)] == [5, 9, 17]  # 32 pixels: two stages, and the stem
    assert [depth("vgg", convolutions=n) for n in (1, 2, 4)] == [2, 4, 8]


@encoders
def test_collated_pictures_fit_the_encoder_and_can_be_learned(kind: str) -> None:
    red, green = np.zeros((2, 32, 32, 3), np.uint8)
    red[8:20, 8:20, 0], green[8:20, 8:20, 1] = 255, 255
    processor = Image().fit([red, green], Config(size=32), weights=np.ones(2))
    tokens = processor.collate([red, green] * 4).map(torch.from_numpy)
    torch.manual_seed(0)
    encoder = build(kind, processor.shape(), width=16, channels=8).train()
    head = torch.nn.Linear(16, 2)
    target = torch.tensor([0, 1] * 4)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(head(encoder(tokens).values.mean(1)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
