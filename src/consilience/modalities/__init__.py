"""The table of modalities: the only list of them."""

from consilience.core.registry import Family

MODALITIES = Family(
    "modality",
    {
        "text": "consilience.modalities.text:Text",
        "image": "consilience.modalities.image:Image",
        "audio": "consilience.modalities.audio:Audio",
        "video": "consilience.modalities.video:Video",
        "tabular": "consilience.modalities.tabular:Tabular",
    },
)
