"""From the code and text of a failed answer to the error that its caller gets."""

__all__ = ("failure_of",)

import msgspec

from pulse_ai.core import InvalidInput, ModelError, RequestError


def failure_of(code: str, value: msgspec.Raw) -> RequestError:
    r"""Return the error of an answer that is not ``ok``.

    Args:
        code: What the worker said; any but ``invalid_input`` is a ``ModelError``.
        value: Its text as msgpack; what is no text is replaced.

    Example:
        >>> failure_of("invalid_input", msgspec.Raw(b"\xa3bad"))
        InvalidInput('bad')
    """
    error = InvalidInput if code == InvalidInput.code else ModelError
    try:
        return error(msgspec.msgpack.decode(value, type=str))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ModelError(f"the worker answered {code!r} without a text")
