"""Where the parts meet. The table of what can stand on a leaderboard."""

from consilience.core.registry import Family

MEMBERS = Family(
    "model",
    {
        "constant": "consilience.models.constant:Constant",
        "classic": "consilience.models.classic:Classic",
        "network": "consilience.models.network:Network",
        "graph": "consilience.models.graph:Graph",
        "ensemble": "consilience.models.ensemble:Ensemble",
    },
)
