"""consilience list"""

from __future__ import annotations

import argparse


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("what", choices=("encoders", "backbones", "fusions", "learners", "tasks", "modalities"))


def run(args: argparse.Namespace) -> int:
    for name in names(args.what):
        print(name)
    return 0


def names(what: str) -> list[str]:
    """Nothing that is listed is imported, modalities aside (an encoder is listed as modality/encoder)."""
    from consilience.fusion import DECISION_FUSIONS, FEATURE_FUSIONS
    from consilience.modalities import MODALITIES
    from consilience.models.learners import LEARNERS
    from consilience.models.weights import PACKAGED
    from consilience.tasks import TASKS

    if what == "encoders":
        return [f"{m}/{encoder}" for m in MODALITIES for encoder in MODALITIES.load(m).encoders]
    if what == "backbones":
        kinds = [f"{m}/{backbone}" for m in MODALITIES for backbone in MODALITIES.load(m).backbones]
        return [*kinds, *(f"package:{name}" for name in PACKAGED)]
    fusions = [*FEATURE_FUSIONS, *DECISION_FUSIONS]
    return list({"fusions": fusions, "learners": LEARNERS, "tasks": TASKS, "modalities": MODALITIES}[what])
