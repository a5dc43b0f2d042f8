"""What each input does for a model: ablations and Shapley values. Needs only a predictor to call; trains nothing and
knows no modality, no task and no metric."""
