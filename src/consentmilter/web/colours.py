"""Colours with enough contrast to be read, made from the one that the site chose. Pure.

Contrast as WCAG 2.2 defines it; AA asks for 4.5 to 1.
"""

AA = 4.5

_CHANNELS = range(1, 7, 2)
_STEPS = 20


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, `#rrggbb` each: from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def ink(background: str) -> str:
    """Black or white, whichever reads better on the background; one of them always reaches AA."""
    return max("#000000", "#ffffff", key=lambda colour: contrast(colour, background))


def readable(colour: str, background: str) -> str:
    """The colour, as far towards black or white as it takes to be read on the background."""
    towards = ink(background)
    mixed = (_mix(colour, towards, step / _STEPS) for step in range(_STEPS))
    return next((shade for shade in mixed if contrast(shade, background) >= AA), towards)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in _CHANNELS)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _mix(one: str, other: str, share: float) -> str:
    channels = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in _CHANNELS)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in channels)
