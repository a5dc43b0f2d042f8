"""The table of classic learners."""

from consilience.core.registry import Family

LEARNERS = Family(
    "learner",
    {
        "extra_trees": "consilience.models.learners.extra_trees:ExtraTrees",
        "kernel_svm": "consilience.models.learners.kernel_svm:KernelSvm",
        "linear": "consilience.models.learners.linear:Linear",
        "svm": "consilience.models.learners.svm:Svm",
        "trees": "consilience.models.learners.trees:Trees",
    },
)
