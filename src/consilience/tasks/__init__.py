"""The table of tasks. Of those that recognise a target the first is taken."""

from consilience.core.registry import Family

TASKS = Family(
    "task",
    {
        "multilabel": "consilience.tasks.multilabel:Multilabel",
        "classification": "consilience.tasks.classification:Classification",
        "regression": "consilience.tasks.regression:Regression",
        "ordinal": "consilience.tasks.ordinal:Ordinal",
        "several": "consilience.tasks.several:Several",
    },
)
