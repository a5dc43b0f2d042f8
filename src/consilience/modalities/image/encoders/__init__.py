"""Networks from normalised pictures to tokens; the only files of the image modality that import torch."""
