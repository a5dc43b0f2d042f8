"""The table of classic learners."""

from consilience.core.registry import Family

LEARNERS = Family(
    "learner",
    {
        "linear": "consilience.models.learners.linear:Linear",
        "svm": "consilience.models.learners.svm:Svm",
        "trees": "consilience.models.learners.trees:Trees",
    },
)
