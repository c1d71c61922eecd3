"""From what a worker answered to what its caller gets: the value, or the error of an answer that failed."""

__all__ = ("failure_of", "value_of")

from typing import Any

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


def value_of(encoded: msgspec.Raw, decoder: Any) -> Any:
    """Read an answer that is ``ok`` into the type that the task is hinted to return.

    Raises:
        ModelError: It is not of that type.
    """
    try:
        return decoder.decode(encoded)
    except Exception as error:  # the type is the user's: anything can come
        raise ModelError(f"the answer is not what predict is hinted to return: {error}") from error
