"""The fused network and the view it reads: distinct cells are encoded once, missing is a mask, saved is what was."""

import numpy as np
import pytest
import torch

from consilience.core.config import decode
from consilience.core.errors import ConfigError
from consilience.fusion import FEATURE_FUSIONS
from consilience.models.config import DeepConfig
from consilience.models.network import Network, build, to_device
from consilience.models.view import Source, View
from consilience.tasks.classification import Classification

TASK = Classification(["a", "b", "c"])


class Counting:
    """A processor for vectors that counts the cells it was asked for, and can augment."""

    def __init__(self) -> None:
        self.asked = 0

    def collate(self, values):
        from consilience.core.batch import Tokens

        self.asked += len(values)
        filled = [np.zeros(5, np.float32) if v is None else v for v in values]
        return Tokens(values=np.stack(filled)[:, None], mask=np.array([[v is not None] for v in values]))

    def augment(self, tokens, rng):
        from consilience.core.batch import Tokens

        return Tokens(values=tokens.values + rng.normal(size=tokens.values.shape).astype(np.float32), mask=tokens.mask)


def view(rows=400, cells=20, seed=0, missing=True):
    rng = np.random.default_rng(seed)
    sources, index = {}, {}
    for name in ("x", "y.z"):
        values = list(rng.normal(size=(cells, 5)).astype(np.float32)) + ([None] if missing else [])
        sources[name] = Source(values=values, processor=Counting())
        index[name] = rng.integers(0, len(values), rows)
    return View(sources=sources, index=index, rows=rows)


def network(fusion="film", seed=0, **deep):
    torch.manual_seed(seed)
    inputs = {name: {"modality": "tabular", "shape": {"features": 5}} for name in ("x", "y.z")}
    return build(decode(DeepConfig, {"fusion": fusion, "width": 16, **deep}), inputs, TASK)


def test_each_distinct_cell_is_asked_for_once():
    seen = view()
    network().predict(seen)
    assert [source.processor.asked for source in seen.sources.values()] == [21, 21]


def test_a_batch_holds_each_distinct_cell_once():
    seen = view()
    batch = seen.batch(np.arange(100), ["x", "y.z"])
    for name, tokens in batch.inputs.items():
        assert len(tokens.values) == len(np.unique(seen.index[name][:100]))
        row_values = tokens.values[batch.cells[name]][:, 0]
        for r in range(100):
            want = seen.sources[name].values[seen.index[name][r]]
            np.testing.assert_array_equal(row_values[r], np.zeros(5) if want is None else want)


def test_augmentation_is_drawn_per_distinct_cell():
    seen = view(missing=False)
    batch = seen.batch(np.arange(100), ["x"], rng=np.random.default_rng(0))
    values = batch.inputs["x"].values[batch.cells["x"]][:, 0]
    for u in np.unique(seen.index["x"][:100]):
        rows = values[seen.index["x"][:100] == u]
        assert (rows == rows[0]).all()
        assert not np.array_equal(rows[0], seen.sources["x"].values[u])
    again = seen.batch(np.arange(100), ["x"], rng=np.random.default_rng(1))
    assert not np.array_equal(again.inputs["x"].values, batch.inputs["x"].values)


def test_a_dropped_input_looks_missing():
    seen = view(missing=False)
    drop = {"x": np.arange(50) % 2 == 0}
    batch = seen.batch(np.arange(50), ["x"], drop=drop)
    present = batch.inputs["x"].present[batch.cells["x"]]
    assert present.tolist() == [bool(d) for d in ~drop["x"]]


@pytest.mark.parametrize("fusion", list(FEATURE_FUSIONS))
def test_a_row_depends_on_itself_alone(fusion):
    seen, net = view(), network(fusion)
    whole = net.predict(seen)
    order = np.random.default_rng(1).permutation(len(seen))
    np.testing.assert_allclose(net.predict(seen.take(order)), whole[order], atol=1e-6)
    np.testing.assert_allclose(net.predict(seen.take(order[:1])), whole[order[:1]], atol=1e-6)
    np.testing.assert_allclose(whole.sum(1), 1)


def test_no_rows_no_answers():
    assert network().predict(view().take(np.array([], np.int64))).shape == (0, 3)


def test_restored_answers_bit_for_bit():
    net, seen = network(), view()
    again = Network.restore(net.state(), TASK)
    assert np.array_equal(again.predict(seen), net.predict(seen))
    assert net.state().meta["config"]["encoders"] == {
        name: {"kind": "mlp", **{k: v for k, v in config.items() if k != "kind"}}
        for name, config in again.state().meta["config"]["encoders"].items()
    }


def test_training_never_shows_missing_cells_to_an_encoder():
    net, seen = network(), view()
    shown = []
    for encoder in net.model.encoders:
        encoder.register_forward_pre_hook(lambda module, given: shown.append(given[0].present))
    net.model.train()
    net.model(to_device(seen.batch(np.arange(200), ["x", "y.z"]), torch.device("cpu")))
    assert len(shown) == 2
    assert all(bool(present.all()) for present in shown)


def test_an_encoder_for_no_input_is_refused():
    inputs = {"x": {"modality": "tabular", "shape": {"features": 5}}}
    with pytest.raises(ConfigError, match=r"deep\.encoders\.y: there is no such input"):
        build(decode(DeepConfig, {"encoders": {"y": "mlp"}}), inputs, TASK)
    with pytest.raises(ConfigError, match=r"deep\.encoders\.x: unknown tabular encoder 'mpl'"):
        build(decode(DeepConfig, {"encoders": {"x": "mpl"}}), inputs, TASK)


@pytest.mark.parametrize("change", [{"width": 32}, {"dropout": 0.5}, {"encoders": {"x": {"kind": "mlp", "hidden": 8}}}])
def test_every_key_changes_the_scores(change):
    def scores(config):
        torch.manual_seed(0)
        inputs = {name: {"modality": "tabular", "shape": {"features": 5}} for name in ("x", "y.z")}
        net = build(decode(DeepConfig, config), inputs, TASK)
        net.model.train()
        torch.manual_seed(1)
        batch = to_device(view().batch(np.arange(50), ["x", "y.z"]), torch.device("cpu"))
        return net.model(batch).values["scores"]

    assert not torch.allclose(scores({"width": 16}), scores({"width": 16} | change))


@pytest.mark.parametrize("fusion", FEATURE_FUSIONS)
def test_auxiliary_heads_are_there_in_training_and_nowhere_else(fusion):
    seen = view()
    helped, plain = network(fusion, auxiliary=0.5), network(fusion)
    assert np.array_equal(helped.predict(seen), plain.predict(seen)), "all else begins with the same weights"
    batch = to_device(seen.batch(np.arange(50), ["x", "y.z"]), torch.device("cpu"))
    out = helped.model.train()(batch).values
    assert out["alone"].shape == (2, 50, 3)
    for place, name in enumerate(("x", "y.z")):
        assert torch.equal(out["present"][place], batch.inputs[name].present[batch.cells[name]])
    assert set(plain.model.train()(batch).values) == {"scores"}
    state = helped.state()
    assert not any("alone" in name for name in state.arrays)
    again = Network.restore(state, TASK)
    assert np.array_equal(again.predict(seen), helped.predict(seen))
    assert set(again.model.train()(batch).values) == {"scores"}


def stepper(member, seen, target, **config):
    """One optimisation step of a network in training."""
    from consilience.train.config import TrainConfig
    from consilience.train.run import _Stepper

    settings = TrainConfig(augment=False, modality_dropout=0.0, optimizer="sgd", lr=0.5, warmup=0.0, **config)
    member.model.train()
    names = ["x", "y.z"]
    return _Stepper(member.model, seen, target, TASK, settings, names, np.random.default_rng(0), None)


def steady(**deep):
    """A network that draws nothing in training."""
    member = network(encoders={n: {"kind": "mlp", "dropout": 0.0} for n in ("x", "y.z")}, **deep)
    for module in member.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return member


def test_auxiliary_losses_are_of_the_rows_where_the_input_is():
    seen = view(missing=False)
    gone = View(
        sources={**seen.sources, "x": Source(values=[None], processor=Counting())},
        index={**seen.index, "x": np.zeros(400, np.int64)},
        rows=400,
    )
    target = np.random.default_rng(0).integers(0, 3, 400)
    for which, moves in ((seen, [True, True]), (gone, [False, True])):
        member = steady(auxiliary=0.5)
        before = [head.weight.detach().clone() for head in member.model.alone]
        stepper(member, which, target, weight_decay=0.0)(np.arange(60), share=0.0)
        now = [head.weight for head in member.model.alone]
        assert [not torch.equal(a, b) for a, b in zip(before, now, strict=True)] == moves
    loss, plain = (
        float(stepper(steady(auxiliary=weight), gone, target)(np.arange(60), share=0.0)) for weight in (1.0, 0.0)
    )
    assert loss == pytest.approx(1.5 * plain, rel=0.3), "one of two inputs answers, near chance as the whole does"


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_auxiliary_losses_add_up_over_parts_of_a_batch(weights):
    seen = view()
    target = np.random.default_rng(0).integers(0, 3, 400)
    whole, pieces = steady(auxiliary=0.7), steady(auxiliary=0.7)
    losses = [
        float(stepper(member, seen, target, accumulate=parts, class_weights=weights)(np.arange(70), share=0.0))
        for member, parts in ((whole, 1), (pieces, 4))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for a, b in zip(whole.model.parameters(), pieces.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
