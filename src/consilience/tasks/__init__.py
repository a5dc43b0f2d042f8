"""The table of tasks."""

from consilience.core.registry import Family

TASKS = Family(
    "task",
    {
        "classification": "consilience.tasks.classification:Classification",
        "regression": "consilience.tasks.regression:Regression",
    },
)
