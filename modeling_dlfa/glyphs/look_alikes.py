"""Letters of different scripts that look alike."""

from __future__ import annotations

# Cyrillic and Greek letters, each beside the Latin one that it looks like.
LOOK_ALIKES = dict(
    zip("АВЕЅІЈКМНОРСТХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABESIJKMHOPCTXaesijopcyxABEZHIKMNOPTYXo", strict=True)
)
