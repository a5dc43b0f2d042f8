"""Networks from normalised frames to tokens; the only files of the video modality that import torch."""
