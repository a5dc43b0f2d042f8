"""The two tables of fusions: networks over tokens (feature level), rules over answers (decision level)."""

from consilience.core.registry import Family

FEATURE_FUSIONS = Family(
    "fusion",
    {
        "concat": "consilience.fusion.feature.concat:Concat",
        "cross_attention": "consilience.fusion.feature.cross_attention:CrossAttention",
        "film": "consilience.fusion.feature.film:Film",
        "gated": "consilience.fusion.feature.gated:Gated",
        "hadamard": "consilience.fusion.feature.hadamard:Hadamard",
    },
)

DECISION_FUSIONS = Family(
    "decision fusion",
    {
        "average": "consilience.fusion.decision.average:Average",
        "product": "consilience.fusion.decision.product:Product",
        "select": "consilience.fusion.decision.select:Select",
        "stack": "consilience.fusion.decision.stack:Stack",
        "vote": "consilience.fusion.decision.vote:Vote",
        "weighted": "consilience.fusion.decision.weighted:Weighted",
    },
)
