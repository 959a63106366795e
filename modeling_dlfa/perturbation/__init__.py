"""Visual noise for test sets: words that people can still read, spelt with other characters."""

from .noises import NOISES, Noise
from .perturb import Outcome, check_noisy_file, perturb_file
from .words import Changer

__all__ = ["NOISES", "Changer", "Noise", "Outcome", "check_noisy_file", "perturb_file"]
