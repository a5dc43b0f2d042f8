"""Training: batches, schedule, optimiser; that it learns, repeats itself under a seed, and stops in time."""

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn

from consilience.core import precision
from consilience.core.batch import Batch, Output, Tokens
from consilience.core.errors import ConfigError
from consilience.core.progress import Deadline, Reporter
from consilience.models.view import Source, View
from consilience.tasks.classification import Classification
from consilience.train import batches, optim, schedule
from consilience.train.config import TrainConfig, refuse_idle
from consilience.train.run import bf16, fp32_layers, train


@given(st.lists(st.integers(0, 12), min_size=1, max_size=200), st.integers(1, 40), st.integers(0, 5))
def test_an_epoch_holds_every_row_once_and_no_batch_is_huge(cells, rows, seed) -> None:
    index = np.array(cells)
    drawn = list(batches.epoch(index, rows=rows, rng=np.random.default_rng(seed)))
    assert sorted(np.concatenate(drawn).tolist()) == list(range(len(cells)))
    assert all(0 < len(b) < 3 * rows for b in drawn)


def test_rows_that_share_a_cell_go_together() -> None:
    index = np.repeat(np.arange(50), 10)
    for rows in batches.epoch(index, rows=40, rng=np.random.default_rng(0)):
        assert len(np.unique(index[rows])) * 10 == len(rows)


def test_the_number_of_steps_does_not_depend_on_the_draw() -> None:
    index = np.random.default_rng(0).integers(0, 30, 500)
    counts = {len(list(batches.epoch(index, rows=32, rng=np.random.default_rng(s)))) for s in range(10)}
    assert counts == {16}


@pytest.mark.parametrize("warmup", [0.0, 0.2, 0.99])
@pytest.mark.parametrize("kind", schedule.KINDS)
def test_every_schedule_rises_then_falls(kind, warmup) -> None:
    points = [schedule.factor(kind, p / 100, warmup=warmup) for p in range(101)]
    top = round(100 * warmup)
    assert max(points) == points[top] == 1.0
    assert points[: top + 1] == sorted(points[: top + 1])
    assert points[top:] == sorted(points[top:], reverse=True)
    assert warmup == 0 or 0 < points[0] <= 0.05
    ends = {"cosine": 0, "one_cycle": 0, "linear": 0, "exponential": 0.01, "constant": 1}
    assert points[-1] == pytest.approx(ends[kind], abs=1e-9)


def test_schedules_at_known_points() -> None:
    def at(kind, progress):
        return schedule.factor(kind, progress, warmup=0.2)

    assert at("cosine", 0.1) == at("linear", 0.1) == at("constant", 0.1) == 0.5
    assert at("one_cycle", 0.1) == pytest.approx(0.52)  # halfway up from 0.04
    assert at("cosine", 0.6) == at("one_cycle", 0.6) == pytest.approx(0.5)
    assert at("cosine", 0.4) == pytest.approx(0.5 + 0.5 * 0.5**0.5)
    assert at("linear", 0.4) == pytest.approx(0.75)
    assert at("exponential", 0.6) == pytest.approx(0.1)


def test_one_cycle_moves_the_momentum_the_other_way() -> None:
    points = [schedule.momentum("one_cycle", p / 100, warmup=0.2) for p in range(101)]
    assert (points[0], points[20], points[-1]) == (pytest.approx(0.95), pytest.approx(0.85), 0.95)
    assert points[:21] == sorted(points[:21], reverse=True)
    assert points[20:] == sorted(points[20:])
    assert {schedule.momentum(kind, 0.3, warmup=0.2) for kind in schedule.KINDS if kind != "one_cycle"} == {None}
    for kind, read in (("adamw", lambda g: g["betas"][0]), ("sgd", lambda g: g["momentum"])):
        built = optim.build(TrainConfig(optimizer=kind), nn.Linear(2, 2))
        optim.pace(built, lr=0.5, momentum=0.7)
        assert [(g["lr"], read(g)) for g in built.param_groups] == [(0.5, 0.7)] * 2


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_only_matrices_shrink_and_apart_from_the_gradient(kind) -> None:
    """Without a gradient nothing but the penalties moves a weight."""
    config = TrainConfig(optimizer=kind, lr=0.1, weight_decay=0.3, l1=0.5)
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    nn.init.constant_(model[0].weight[0], 0.01)
    before = [p.detach().clone() for p in model.parameters()]
    built = optim.build(config, model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optim.move(built)
    decayed = before[0] * (1 - 0.1 * 0.3)
    expected = decayed.sign() * (decayed.abs() - 0.1 * 0.5).clamp(min=0)
    assert (expected == 0).any()
    torch.testing.assert_close(model[0].weight, expected)
    assert all(torch.equal(p, b) for p, b in zip(list(model.parameters())[1:], before[1:], strict=True))


def test_l1_makes_weights_nothing(tmp_path) -> None:
    settings = {"epochs": 20, "batch_rows": 32, "lr": 2e-2, "weight_decay": 0.0}
    plain, sparse = (run(tmp_path, TrainConfig(**settings, l1=l1))[0] for l1 in (0.0, 0.5))
    zeros = [float((model.layers[0].weight == 0).float().mean()) for model in (plain, sparse)]
    assert zeros[0] == 0.0
    assert zeros[1] > 0.2


class Still(nn.Module):
    """A network that draws nothing and normalises nothing, so parts of a batch must add up to the whole of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, batch):
        tokens = batch.inputs["x"]
        return Output(values={"scores": self.layers(tokens.values[:, 0] * tokens.mask)[batch.cells["x"]]})


@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("parts", [2, 3, 7, 1000])
def test_an_accumulated_step_is_the_step_of_the_whole_batch(tmp_path, parts, weights) -> None:
    """SGD, because Adam makes of a rounding error near 0 a whole step."""
    settings = {"epochs": 2, "batch_rows": 50, "optimizer": "sgd", "lr": 0.3, "class_weights": weights}
    settings |= {"label_smoothing": 0.1, "focal_gamma": 1.0}
    whole, first, _ = run(tmp_path, TrainConfig(**settings), model=Still())
    pieces, second, _ = run(tmp_path, TrainConfig(**settings, accumulate=parts), model=Still())
    for a, b in zip(whole.parameters(), pieces.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert first.epochs[-1]["train_loss"] == pytest.approx(second.epochs[-1]["train_loss"], rel=1e-4)


def test_parts_of_a_batch_hold_its_rows_and_only_their_cells() -> None:
    values = torch.arange(12.0).reshape(4, 1, 3)
    tokens = Tokens(values=values, mask=torch.tensor([[True], [True], [False], [True]]))
    batch = Batch(inputs={"x": tokens}, cells={"x": torch.tensor([3, 0, 0, 2, 1])})
    seen = []
    for part, chosen in batches.parts(batch, 2):
        held = part.inputs["x"].take(part.cells["x"])
        wanted = tokens.take(batch.cells["x"][chosen])
        assert torch.equal(held.values, wanted.values)
        assert torch.equal(held.mask, wanted.mask)
        assert len(part.inputs["x"].mask) == len(part.cells["x"].unique())
        seen += chosen.tolist()
    assert seen == [0, 1, 2, 3, 4]


def test_bf16_trains_in_half_and_keeps_whole_weights(tmp_path) -> None:
    seen = []

    class Watched(Net):
        def forward(self, batch):
            out = super().forward(batch)
            seen.append((self.training, out.values["scores"].dtype))
            return out

    config = TrainConfig(epochs=30, batch_rows=32, lr=2e-2, precision="bf16")
    model, history, _ = run(tmp_path, config, model=Watched())
    assert set(seen) == {(True, torch.bfloat16), (False, torch.float32)}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert history.epochs[history.best - 1]["valid_score"] > 0.85
    assert not bf16(TrainConfig(), torch.device("cpu")), "on a CPU only when asked to"
    assert not bf16(TrainConfig(precision="fp32"), torch.device("cuda"))


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_layers_that_a_processor_has_no_bf16_for_are_trained_in_fp32_and_named(kind, monkeypatch) -> None:
    network = kind(4, 4, batch_first=True)
    config, values = TrainConfig(precision="bf16", device="cpu"), torch.randn(2, 3, 4)
    plain = network(values)[0]
    for possible in (True, False):
        monkeypatch.setattr(precision, "_trains_on_cpu", lambda _, possible=possible: possible)
        assert fp32_layers(network, config) == ([] if possible else [kind.__name__])
        assert fp32_layers(network, TrainConfig(precision="fp32", device="cpu")) == []
    with torch.autocast("cpu", torch.bfloat16):
        said = precision.run_recurrent(network, values.bfloat16())[0]
    assert said.dtype == torch.float32
    assert torch.allclose(said, plain, atol=0.02)


def test_whether_bf16_can_be_had_is_found_out_without_touching_random_numbers() -> None:
    torch.manual_seed(7)
    precision._trains_on_cpu.cache_clear()
    precision.can_run_bf16(torch.nn.LSTM, "cpu")
    drawn = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(3))
    assert precision.can_run_bf16(torch.nn.LSTM, "cuda"), "only CPUs may fail"


@pytest.mark.parametrize(
    "change", [{"label_smoothing": 0.1}, {"focal_gamma": 2.0}, {"class_weights": "balanced"}], ids=str
)
def test_what_is_for_classes_is_refused_for_numbers(change) -> None:
    with pytest.raises(ConfigError, match=f"train.{next(iter(change))}"):
        refuse_idle(TrainConfig(**change), discrete=False)
    refuse_idle(TrainConfig(**change), discrete=True)
    refuse_idle(TrainConfig(), discrete=False)


class Vectors:
    """A processor for cells that are vectors already."""

    def collate(self, values):
        values = [np.zeros(4, np.float32) if v is None else v for v in values]
        mask = np.array([[v is not None] for v in values])
        return Tokens(values=np.stack(values)[:, None].astype(np.float32), mask=mask)

    def augment(self, tokens, rng):
        return Tokens(
            values=tokens.values + rng.normal(0, 0.01, tokens.values.shape).astype(np.float32), mask=tokens.mask
        )


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))

    def forward(self, batch):
        return Output(values={"scores": self.layers(batch.inputs["x"].values[:, 0])[batch.cells["x"]]})


def run(
    tmp_path: Path,
    config: TrainConfig,
    *,
    seconds: float = 100.0,
    shuffle: bool = False,
    folder: Path | None = None,
    reporter: Reporter | None = None,
    model: nn.Module | None = None,
):
    rng = np.random.default_rng(0)
    values = list(rng.normal(size=(60, 4)).astype(np.float32))
    index = rng.integers(0, 60, 300)
    target = np.array([int(values[u][0] * values[u][1] > 0) for u in index])
    if shuffle:
        target = rng.permutation(target)
    view = View(sources={"x": Source(values=values, processor=Vectors())}, index={"x": index}, rows=300)
    task = Classification(["a", "b"])
    model = model or Net()
    torch.manual_seed(0)
    for layer in model.layers:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()

    def validate(model):
        model.eval()
        with torch.inference_mode():
            batch = view.batch(np.arange(300), ["x"]).map(torch.from_numpy)
            scores = model(batch).values["scores"]
        loss = float(task.loss(scores, torch.from_numpy(target)))
        return float((scores.argmax(1).numpy() == target).mean()), loss

    history = train(
        model, view, target, task, config, names=["x"], validate=validate, deadline=Deadline(seconds), seed=0,
        folder=folder or Path(tempfile.mkdtemp(dir=tmp_path)), reporter=reporter or Reporter(),
    )  # fmt: skip
    return model, history, validate


def test_it_learns_and_keeps_the_best_epoch(tmp_path) -> None:
    model, history, validate = run(tmp_path, TrainConfig(epochs=60, batch_rows=32, lr=2e-2))
    best = history.epochs[history.best - 1]
    assert best["valid_score"] == max(e["valid_score"] for e in history.epochs) > 0.9
    assert validate(model)[0] == best["valid_score"]


def test_it_repeats_itself_under_a_seed(tmp_path) -> None:
    config = TrainConfig(epochs=3, modality_dropout=0.2, label_smoothing=0.1)
    first, second = (run(tmp_path, config)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_a_diverging_training_keeps_finite_weights(tmp_path) -> None:
    model, history, _ = run(tmp_path, TrainConfig(epochs=30, lr=1e30, warmup=0.0, clip=0.0, optimizer="sgd"))
    assert "not finite" in history.stopped
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_patience_ends_training_on_noise(tmp_path) -> None:
    _, history, _ = run(tmp_path, TrainConfig(epochs=500, patience=2, lr=1e-5), shuffle=True)
    assert len(history.epochs) < 500
    assert history.stopped == "no better on validation data"


def test_the_deadline_ends_training(tmp_path) -> None:
    deadline = Deadline(0.7)
    _, history, _ = run(tmp_path, TrainConfig(epochs=100_000, patience=100_000, batch_rows=8), seconds=0.5)
    assert history.stopped == "the time budget ended"
    assert deadline.left > -0.5


class Impatient(Reporter):
    """Ctrl-C after so many steps."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.said: list[str] = []

    def say(self, text):
        self.said.append(text)

    @contextmanager
    def bar(self, label, total):
        steps = iter(range(1, 1_000_000))

        def advance(done, note):
            if next(steps) == self.after:
                raise KeyboardInterrupt

        yield advance


def test_an_interrupt_leaves_the_best_weights(tmp_path) -> None:
    rng = np.random.default_rng(0)
    values = list(rng.normal(size=(60, 4)).astype(np.float32))
    index = {"x": rng.integers(0, 60, 300)}
    view = View(sources={"x": Source(values=values, processor=Vectors())}, index=index, rows=300)
    model = Net()
    with pytest.raises(KeyboardInterrupt):
        train(
            model,
            view,
            rng.integers(0, 2, 300),
            Classification(["a", "b"]),
            TrainConfig(batch_rows=32),
            names=["x"],
            validate=lambda m: (0.5, 1.0),
            deadline=Deadline(60),
            seed=0,
            folder=tmp_path,
            reporter=Impatient(40),
        )
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert not model.training


def without_seconds(history):
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in history.epochs]


OTHERWISE = {"accumulate": 3, "schedule": "one_cycle", "precision": "bf16", "l1": 1e-3, "focal_gamma": 2.0}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="adamw"),
        pytest.param({"optimizer": "sgd"}, id="sgd", marks=pytest.mark.slow),
        pytest.param({"optimizer": "sgd", **OTHERWISE}, id="all"),
    ],
)
@pytest.mark.parametrize("cuts", [(1,), (10,), (11,), (55,), (3, 17, 25), (11, 11, 11)], ids=str)
def test_a_training_cut_anywhere_ends_as_if_it_had_not_been(tmp_path, settings, cuts) -> None:
    """Ten steps an epoch. Dropout, augmentation and modality dropout draw random numbers all the way."""
    config = TrainConfig(epochs=7, batch_rows=30, patience=100, **settings)
    straight, history, _ = run(tmp_path, config)
    for cut in cuts:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, config, folder=tmp_path / "cut", reporter=Impatient(cut))
        torch.manual_seed(99)  # what else a process did before it resumes must not matter
    resumed, again, _ = run(tmp_path, config, folder=tmp_path / "cut")
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))
    assert without_seconds(again) == without_seconds(history)
    assert (again.best, again.stopped) == (history.best, history.stopped)
    assert history.earlier_cpu_seconds == 0
    assert (again.earlier_cpu_seconds > 0) == (max(cuts) > 10)


def test_what_ends_a_training_is_remembered_too(tmp_path) -> None:
    config = TrainConfig(epochs=500, patience=2, lr=1e-5)
    straight, history, _ = run(tmp_path, config, shuffle=True)
    steps = 2 * len(history.epochs)
    for cut in (steps - 1, 1):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, config, shuffle=True, folder=tmp_path / "cut", reporter=Impatient(cut))
    resumed, again, _ = run(tmp_path, config, shuffle=True, folder=tmp_path / "cut")
    assert (again.stopped, again.best) == (history.stopped, history.best)
    once_more, last, _ = run(tmp_path, config, shuffle=True, folder=tmp_path / "cut")
    assert without_seconds(last) == without_seconds(history)  # ended is ended
    for other in (resumed, once_more):
        assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), other.parameters(), strict=True))


def test_a_damaged_checkpoint_is_none(tmp_path) -> None:
    config = TrainConfig(epochs=3, batch_rows=32)
    straight, _, _ = run(tmp_path, config, folder=tmp_path / "cut")
    (file,) = (tmp_path / "cut").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    again, history, _ = run(tmp_path, config, folder=tmp_path / "cut")
    assert len(history.epochs) == 3
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), again.parameters(), strict=True))


def test_without_time_a_resumed_training_keeps_what_it_has(tmp_path) -> None:
    config = TrainConfig(epochs=50, batch_rows=30, patience=50)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, config, folder=tmp_path / "cut", reporter=Impatient(205))
    _, history, _ = run(tmp_path, config, folder=tmp_path / "cut", seconds=1e-9)
    assert (len(history.epochs), history.stopped) == (20, "the time budget ended")


def test_a_resumed_schedule_spends_the_time_that_is_left(tmp_path) -> None:
    """Cut at 20 of 100,000 epochs: the rate falls from where it was to nothing within the new deadline."""
    config = TrainConfig(epochs=100_000, batch_rows=30, patience=100_000)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, config, folder=tmp_path / "cut", reporter=Impatient(205))
    _, history, _ = run(tmp_path, config, folder=tmp_path / "cut", seconds=1.0)
    assert history.stopped == "the time budget ended"
    with safe_open(tmp_path / "cut" / "training.safetensors", "pt") as file:
        assert json.loads(file.metadata()["told"])["meta"]["pace"]["share"] > 0.8
