"""Self-augmentation, our reading of SALT: a masked language model proposes words to switch and embeddings to mix."""

from .augment import Outcome, augment_file
from .mixup_file import write_mixup_file
from .mlm_head import HeadSettings, fit_mlm_head
from .settings import Settings

__all__ = ["HeadSettings", "Outcome", "Settings", "augment_file", "fit_mlm_head", "write_mixup_file"]
