"""Text from outside, made fit for logs and terminals."""


def printable(text: str) -> str:
    """Return text for a log or a terminal: each sign that is not printed is a question mark.

    Security: whoever picks a user key of text must not write lines of a log, steer a terminal, or
    turn what follows around (ASVS 16.2.5, 16.4.1).
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)
