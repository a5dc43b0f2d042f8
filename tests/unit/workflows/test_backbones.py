"""Which backbone is for which input, and what is said of those that are for none."""

from __future__ import annotations

import pytest

from consilience.core.errors import ConfigError, UserError
from consilience.data.infer import InputPlan
from consilience.workflows.backbones import PretrainedConfig, frozen_views, idle

PLANS = {
    "review": InputPlan(name="review", modality="text", columns=("review",), kinds=("text",)),
    "table": InputPlan(name="table", modality="tabular", columns=("price",), kinds=("number",)),
}


@pytest.mark.parametrize("key", ["image", "audio", "video"])
def test_a_modality_the_table_does_not_have_is_a_note(key, monkeypatch) -> None:
    monkeypatch.delenv("CONSILIENCE_BACKBONES", raising=False)
    config = PretrainedConfig(backbones={key: "weights"}, device="cpu")
    assert frozen_views(PLANS, config, needed=False) == {}
    assert idle(PLANS, config) == [f"backbone {key}=weights is not used: the table has no input for it (review, table)"]
    with pytest.raises(UserError, match=f"backbone {key}=weights is not used.*needs weights"):
        frozen_views(PLANS, config, needed=True)


def test_a_modality_all_of_whose_inputs_have_their_own_is_a_note() -> None:
    assert len(idle(PLANS, PretrainedConfig(backbones={"text": "a", "review": "b"}))) == 1
    assert idle(PLANS, PretrainedConfig(backbones={"text": "a"})) == []


@pytest.mark.parametrize("key", ["reveiw", "price", "sound"])
def test_an_input_that_does_not_exist_is_an_error(key) -> None:
    with pytest.raises(ConfigError, match=f"{key}: neither a modality nor an input"):
        frozen_views(PLANS, PretrainedConfig(backbones={key: "weights"}, device="cpu"), needed=False)
