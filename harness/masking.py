"""Secrets never reach disk or screen: one place where values are registered and text is masked."""

MASK = "****"
_known: set[str] = set()


def register(secret: str) -> None:
    """Make `secret` unspeakable in this process; called wherever one is read."""
    if len(secret) >= 4:
        _known.add(secret)


def mask(text: str) -> str:
    """Replace every known secret in `text`; the mask has one width, so that it tells no length."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
