"""Small tables with pretrained vectors: `--preset pretrained` and the default beside plain models on the same vectors.

    sudo apt-get install tuxpaint-stamps-default librsvg2-bin
    npm install --prefix NODE emoji-datasource-twitter emojibase-data world-countries
    python benchmarks/bench_small.py --node NODE/node_modules [--tables stamps,emoji,emoji-zh,flags] [--splits 5]

Plain: each input's frozen vectors (and one-hot categories, standardised numbers) in scikit-learn's StandardScaler and
LogisticRegression with C from 1e-4 to 1e2 by five-fold cross-validation on the training rows; early fusion (one model
of all vectors) and late fusion (the product of the inputs' probabilities). All learn from the same training rows and
answer the same test rows (a quarter); differences are paired. To be held to: at least level with the better plain
model, never below the majority class, 60 CPU-seconds a fit beside encoding.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _measure import consilience, machine

import consilience as cs
from consilience.core.limits import Limits
from consilience.data.encode import Encoding
from consilience.data.infer import infer
from consilience.data.loader import load
from consilience.data.sources import read, write
from consilience.data.store import Store
from consilience.modalities import MODALITIES
from consilience.workflows.backbones import PretrainedConfig, frozen_views
from consilience.workflows.demos import flags, stamps

BACKBONES = {"text": "package:minilm", "image": "package:efficientnet-lite0", "audio": "package:whisper-tiny-en"}
PENALTIES = tuple(10.0**power for power in range(-4, 3))


@dataclass(frozen=True, kw_only=True)
class Data:
    path: Path
    target: str
    group: str | None = None
    root: Path | None = None
    ignore: tuple[str, ...] = ()


def main() -> None:
    command = argparse.ArgumentParser()
    command.add_argument("--node", type=Path, help="the node_modules folder with the emoji packages")
    command.add_argument("--tables", help="default: stamps, and with --node emoji, emoji-zh and flags")
    command.add_argument("--presets", default="pretrained,auto")
    command.add_argument("--splits", type=int, default=5)
    command.add_argument("--seconds", type=float, default=120.0, help="time budget of a fit")
    args = command.parse_args()
    print(f"{machine()}; one thread; {args.splits} splits, a quarter of the rows for testing")
    with tempfile.TemporaryDirectory() as temporary:
        tables = args.tables or ("stamps,emoji,emoji-zh,flags" if args.node else "stamps")
        for name in tables.split(","):
            folder = Path(temporary) / name
            folder.mkdir()
            table(name, TABLES[name](folder, args.node), folder, args)


def table(name: str, data: Data, folder: Path, args: argparse.Namespace) -> None:
    rows = list(read(data.path).rows())
    labels = np.array([row[data.target] for row in rows])
    store = str(folder / "store")
    used = {
        key: value for key, value in BACKBONES.items() if any(plan.modality == key for plan in plans(data).values())
    }
    words = [word for column in (*data.ignore, data.target) for word in ("--ignore", column)]
    root = ("--media-root", str(data.root)) if data.root else ()
    backbones = ("--backbone", *(f"{key}={value}" for key, value in used.items()))
    encoded = consilience("encode", str(data.path), *words, *root, "--store", store, *backbones, "--json")
    print(
        f"{name}: {len(rows)} rows, {len(set(labels))} classes, largest {max(Counter(labels).values()) / len(rows):.3f}"
    )
    print(f"  encoded in {encoded.cpu_seconds:.1f} CPU-s")
    vectors = views(data, store, used)
    right: dict[str, list[np.ndarray]] = {}
    for number in range(args.splits):
        keys = [row[data.group] if data.group else json.dumps(row, default=str) for row in rows]
        test = np.array([side(key, number) < 0.25 for key in keys])
        known = np.isin(labels, labels[~test])
        found = {
            "majority": labels[test] == Counter(labels[~test]).most_common(1)[0][0],
            **plain(vectors, labels, test),
        }
        for preset in args.presets.split(","):
            learn = folder / "train.csv"
            some = [row for row, one in zip(rows, test, strict=True) if not one]
            write({key: [row[key] for row in some] for key in rows[0]}, learn)
            config: dict[str, Any] = {
                "seed": number,
                "data": {"split": [0.8, 0.2, 0.0], "store": store, "ignore": list(data.ignore),
                         "media_root": str(data.root or data.path.parent)}
                | ({"group": data.group} if data.group else {}),
                "pretrained": {"backbones": used},
                "audit": {"at_end": False},
                "time_budget": args.seconds,
            }  # fmt: skip
            began = time.process_time()
            fitted = cs.fit(learn, target=data.target, preset=preset, config=config, out=folder / f"{number}-{preset}")
            spent = time.process_time() - began
            asked = read({k: [row[k] for row, one in zip(rows, test, strict=True) if one] for k in rows[0]},
                         root=data.root or data.path.parent)  # fmt: skip
            answers = np.array(cs.load(fitted.run).answer(asked).labels)
            found[preset] = answers == labels[test]
            print(f"    {preset}: {found[preset].mean():.3f} in {spent:.0f} CPU-s, {fitted.best}", flush=True)
        shown = ", ".join(f"{model} {ok.mean():.3f}" for model, ok in found.items())
        print(f"  split {number + 1} ({known[test].mean():.2f} known): {shown}", flush=True)
        for model, ok in found.items():
            right.setdefault(model, []).append(ok)
    pooled = {model: np.concatenate(parts).astype(float) for model, parts in right.items()}
    best = max(("early", "late"), key=lambda model: pooled[model].mean())
    for model, ok in pooled.items():
        gap = ok - pooled[best]
        error = gap.std() / np.sqrt(len(gap))
        print(f"  {name}, {model}: {ok.mean():.4f}; {gap.mean():+.4f} ± {error:.4f} beside {best}", flush=True)


def side(key: str, number: int) -> float:
    """0 to 1, the same for rows of one group."""
    return int.from_bytes(hashlib.sha256(f"{number}/{key}".encode()).digest()[:4], "big") / 2**32


def plain(vectors: dict[str, np.ndarray], labels: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fit(matrix: np.ndarray) -> Any:
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        model = LogisticRegressionCV(
            Cs=PENALTIES, cv=folds, max_iter=300, scoring="neg_log_loss", use_legacy_attributes=False, l1_ratios=(0.0,)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make_pipeline(StandardScaler(), model).fit(matrix[~test], labels[~test])

    early = fit(np.concatenate(list(vectors.values()), 1))
    alone = {name: fit(matrix) for name, matrix in vectors.items()}
    joined = sum(np.log(model.predict_proba(vectors[name][test]) + 1e-9) for name, model in alone.items())
    prior = np.bincount(np.searchsorted(early.classes_, labels[~test]), minlength=len(early.classes_)) / (~test).sum()
    joined = joined - (len(alone) - 1) * np.log(prior)
    found = {
        "early": early.predict(np.concatenate([v[test] for v in vectors.values()], 1)) == labels[test],
        "late": early.classes_[joined.argmax(1)] == labels[test],
    }
    return found | {
        f"{name} alone": model.predict(vectors[name][test]) == labels[test] for name, model in alone.items()
    }


def plans(data: Data) -> Any:
    table = read(data.path, root=data.root)
    return infer(table, target=data.target, ignore=data.ignore).inputs


def views(data: Data, store: str, used: dict[str, str]) -> dict[str, np.ndarray]:
    """By input, the vector of every row: of a backbone, or of one-hot categories and numbers."""
    table = read(data.path, root=data.root)
    inference = infer(table, target=data.target, ignore=data.ignore)
    found = frozen_views(inference.inputs, PretrainedConfig(backbones=used, device="cpu"), needed=True)
    opened, configs, seen = Store(Path(store)), {}, {}
    for name, view in found.items():
        configs[name] = view.backbone.load_config(_resolved(inference, view.plan))
        seen[view.of] = name
    encodings = {name: Encoding(backbone=view.backbone, store=opened) for name, view in found.items()}
    loaded = load(table, {n: v.plan for n, v in found.items()}, configs, limits=Limits(), encodings=encodings)
    out = {}
    for name, cells in loaded.inputs.items():
        width = next(value.shape[1] for value in cells.values if value is not None)
        table_of = [np.zeros(2 * width) if v is None else _pooled(np.asarray(v, np.float64)) for v in cells.values]
        out[name] = np.stack([table_of[u] for u in cells.index])
        out[name] = out[name][:, out[name].std(0) > 0]
    rest = {name: plan for name, plan in inference.inputs.items() if name not in seen}
    made = {name: _resolved(inference, plan) for name, plan in rest.items()}
    for name, cells in load(table, rest, made, limits=Limits()).inputs.items() if rest else ():
        values = list(cells.values)
        processor = MODALITIES.load(rest[name].modality)().fit(values, made[name], weights=np.ones(len(values)))
        tokens = processor.collate(values)
        out[name] = tokens.values.reshape(len(values), -1)[cells.index]
    return out


def _pooled(vectors: np.ndarray) -> np.ndarray:
    return np.concatenate([vectors.mean(0), vectors.std(0)])


def _resolved(inference: Any, plan: Any) -> Any:
    modality = MODALITIES.load(plan.modality)()
    return modality.resolve(modality.Config(), [inference.samples[c] for c in plan.columns], plan.kinds)


# ------------------------------------------------------------------------------------------------------------ tables


def _stamps(folder: Path, node: Path | None) -> Data:
    made = stamps.prepare(folder)
    return Data(path=Path(made.sources["train"]), target="category", group="thing", ignore=("thing",))


def _flags(folder: Path, node: Path | None) -> Data:
    assert node is not None, "--node"
    rows = flags.countries(node)
    write({name: [row[name] for row in rows] for name in rows[0]}, folder / "flags.csv")
    return Data(path=folder / "flags.csv", target="region", root=node, ignore=("code",))


def _emoji(language: str) -> Any:
    def make(folder: Path, node: Path | None) -> Data:
        assert node is not None, "--node"
        rows = list(emoji(node, language))
        with (folder / "emoji.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return Data(path=folder / "emoji.csv", target="category", root=node)

    return make


def emoji(node: Path, language: str) -> Iterator[dict[str, str]]:
    """A row for every emoji that both packages know: its image, what it is called, its category."""
    known = json.loads((node / "emojibase-data" / language / "data.json").read_text(encoding="utf-8"))
    names = {one["hexcode"].replace("-FE0F", ""): one["label"] for one in known}
    for one in json.loads((node / "emoji-datasource-twitter" / "emoji.json").read_text(encoding="utf-8")):
        image, code = f"emoji-datasource-twitter/img/twitter/64/{one['image']}", one["unified"].replace("-FE0F", "")
        if (node / image).is_file() and code in names and one["category"] != "Component":
            yield {"image": image, "text": names[code], "category": one["category"]}


TABLES = {"stamps": _stamps, "emoji": _emoji("en"), "emoji-zh": _emoji("zh"), "flags": _flags}

if __name__ == "__main__":
    main()
