"""Networks from normalised mel spectrograms to tokens; the only files of the audio modality that import torch."""
