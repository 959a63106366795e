"""The words of the demo's corpus: one module a language, each with whole phrases in the forms that its sentences need.

A module holds ``SUBJECTS``, ``ACTIONS`` (what somebody was doing), ``STATES`` (how somebody was), ``THINGS`` and
``COUNTS`` (clauses without a subject slot), ``PLACES`` and ``TIMES``, each from value to phrase, and ``PATTERNS``: one
or two sentence patterns for what is stated, the plain one and the one that begins with the time.

- A key of ``PATTERNS`` is ``sa`` (subject and action), ``ss`` (subject and state; where it is missing, ``sa`` serves),
  ``x`` (thing) or ``n`` (count), then ``p`` if a place and ``t`` if a time is stated.
- ``SUBJECTS``: a phrase, with ``|1``, ``|2`` or ``|3`` behind it where the subject takes that agreement form.
- Actions, states and patterns: one form for all subjects, or the agreement forms separated by ``|``.
- ``~`` parts a phrase that other words may come between (German "aß ~ einen Apfel"); a pattern names the two parts
  ``{a}`` and ``{b}``.
- ``PLACES_OF_COUNTS``, if there is one, replaces ``PLACES`` in sentences about counts.
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
    subject, _, form = (words.SUBJECTS[scene.subject] if scene.subject else "").partition("|")
    agreement = int(form or 0)
    shape, phrase = _predicate(scene.action, words)
    action, _, rest = _form(phrase, agreement).partition("~")
    stated = ("p" if scene.place else "") + ("t" if scene.time else "")
    patterns = words.PATTERNS.get(shape + stated) or words.PATTERNS["sa" + stated]
    places = getattr(words, "PLACES_OF_COUNTS", words.PLACES) if shape == "n" else words.PLACES
    text = _form(patterns[variant % len(patterns)], agreement).format(
        s=subject,
        a=action.strip(),
        b=rest.strip(),
        p=places[scene.place] if scene.place else "",
        t=words.TIMES[scene.time] if scene.time else "",
    )
    text = " ".join(text.split()).replace(" .", ".")
    return text[0].upper() + text[1:]


def _predicate(action: str, words: ModuleType) -> tuple[str, str]:
    """The first letters of the pattern's key, and the phrase."""
    kinds = {"sa": words.ACTIONS, "ss": words.STATES, "x": words.THINGS, "n": words.COUNTS}
    return next((shape, phrases[action]) for shape, phrases in kinds.items() if action in phrases)


def _form(forms: str, agreement: int) -> str:
    options = forms.split("|")
    return options[agreement] if len(options) > 1 else forms
