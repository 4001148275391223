"""The reason in what network libraries say."""


def reason(error: BaseException) -> str:
    """Returns why nothing answered, without the objects that met it on the way."""
    while True:
        inner = [getattr(error, name, None) for name in ("reason", "cause")]
        found = [e for e in (*inner, *error.args) if isinstance(e, BaseException)]
        if not found:
            break
        error = found[0]
    said = " ".join(str(error).split()).rpartition(": ")[2].rstrip(".")
    return said or type(error).__name__
