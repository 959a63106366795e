"""The words of the demo's corpus: one module a language, each with whole phrases in the forms that its sentences need.

A module holds ``SUBJECTS``, ``ACTIONS``, ``PLACES`` and ``TIMES`` (value to phrase) and ``PATTERNS`` (the slots that
are stated, one letter each, to one or two sentence patterns: the plain one and the one that begins with the time).

- ``SUBJECTS``: a phrase, with ``|1`` or ``|2`` behind it where the subject takes the second or third agreement form.
- ``ACTIONS`` and patterns: one form for all subjects, or the agreement forms separated by ``|``.
- ``ACTIONS``: ``~`` parts a phrase that other words may come between (German "aß ~ einen Apfel"); a pattern names the
  two parts ``{a}`` and ``{b}``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

from scenes import Scene

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")


@cache
def lexicon(language: str) -> ModuleType:
    """The words of one language."""
    return import_module(f"{__name__}.{language}")


def sentence(scene: Scene, language: str, variant: int = 0) -> str:
    """Tells a scene in a language.

    Args:
        scene: the facts.
        language: one of ``LANGUAGES``.
        variant: which of the patterns that the language has for these facts, modulo their number.
    """
    words = lexicon(language)
    subject, _, form = words.SUBJECTS[scene.subject].partition("|") if scene.subject else ("", "", "")
    agreement = int(form or 0)
    stated = ("p" if scene.place else "") + ("t" if scene.time else "")
    if scene.subject:
        phrase, shape = words.ACTIONS[scene.action], f"sa{stated}"
    elif scene.action in words.COUNTS:
        phrase, shape = words.COUNTS[scene.action], f"n{stated}"
    else:
        phrase, shape = words.THINGS[scene.action], f"x{stated}"
    action, _, rest = _form(phrase, agreement).partition("~")
    patterns = words.PATTERNS[shape]
    text = _form(patterns[variant % len(patterns)], agreement).format(
        s=subject,
        a=action.strip(),
        b=rest.strip(),
        p=words.PLACES[scene.place] if scene.place else "",
        t=words.TIMES[scene.time] if scene.time else "",
    )
    text = " ".join(text.split()).replace(" .", ".")
    return text[0].upper() + text[1:]


def _form(forms: str, agreement: int) -> str:
    options = forms.split("|")
    return options[agreement] if len(options) > 1 else forms
