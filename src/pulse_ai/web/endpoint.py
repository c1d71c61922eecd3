"""One model over HTTP: check the JSON against the Manifest, hand it on, write the answer."""

__all__ = ("ModelEndpoint",)

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable
from typing import Any, cast

import msgspec

from pulse_ai.core import BadFrame, InvalidInput, Manifest, ModelError, RequestError, checker_type
from pulse_ai.port import decode_value, encode_value, to_plain
from pulse_ai.serving import OpenServing
from pulse_ai.web.asgi import Head
from pulse_ai.web.problems import PROBLEMS, BadJson, problem_value

_to_json = msgspec.json.Encoder(enc_hook=to_plain)
_skim = msgspec.json.Decoder(msgspec.Raw)
_skim_all = msgspec.json.Decoder()
_LONE_SURROGATE = re.compile(rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])", re.IGNORECASE)
_MOST_LOOKED_THROUGH_BYTES = 64 * 1024
_EXACT = 2.0**53  # from here on a float does not tell whole numbers apart
_split_list = msgspec.json.Decoder(list[msgspec.Raw])


class ModelEndpoint:
    """Answers the bodies of one model's requests.

    Args:
        serving: The open serving of the model.

    Attributes:
        engine: Where items are handed in.
        turned_down: Requests that ended before they were offered, by code.
    """

    def __init__(self, serving: OpenServing) -> None:
        self.serving = serving
        self.turned_down: Counter[str] = Counter()
        self.engine = serving.engine
        self._manifest: Manifest | None = None
        self._decoder: Any = msgspec.json.Decoder()

    async def answer(self, body: bytes, head: Head) -> bytes:
        """Return the JSON of the answer to one item.

        Raises:
            RequestError: Of any kind.
        """
        return self.write(await self._infer(self.read(body), head))

    async def answer_batch(self, body: bytes, head: Head) -> bytes:
        """Return the JSON of the answers to a list of items, each with a status of its own.

        Raises:
            BadJson: The body is not a JSON list.
            InvalidInput: It has no item, or more than the queue can ever hold.
            Refused: No worker is ready, or the service is shutting down.
        """
        self.check_ready()
        items = self._split(body)
        outcomes = await asyncio.gather(*(self._outcome(item, head) for item in items))
        return _to_json.encode({"results": outcomes})

    def check_ready(self) -> None:
        """Refuse early, before a body is even read.

        Raises:
            Refused: No worker is ready, or the service is shutting down.
        """
        shut = self.engine.shut()
        if shut is not None:
            try:
                raise shut
            finally:
                del shut  # its traceback holds this frame

    async def _outcome(self, item: msgspec.Raw, head: Head) -> dict[str, Any]:
        try:
            value = await self._infer(self.read(item), head)
            return {"status": 200, "value": msgspec.Raw(self.write(value))}
        except RequestError as error:
            return {"status": PROBLEMS[error.code].status, "error": problem_value(error)}

    def _split(self, body: bytes) -> list[msgspec.Raw]:
        try:
            items = _split_list.decode(body)
        except msgspec.ValidationError as error:
            raise self._misfit(body, f"expected a list of items: {error}") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise self.turn_down(_not_json(body, error)) from error
        limit = self.serving.settings.queue_limit_items
        if not 1 <= len(items) <= limit:
            raise self.turn_down(InvalidInput(f"the list has {len(items)} items; send 1 to {limit}"))
        return items

    def _infer(self, value: bytes, head: Head) -> Awaitable[msgspec.Raw]:
        return self.engine.infer(value, timeout_s=head.timeout_s, priority=head.priority, caller=head.caller)

    def read(self, body: bytes | msgspec.Raw) -> bytes:
        """Turn a JSON item into what travels.

        Raises:
            BadJson: It is not JSON.
            InvalidInput: It is not what the model takes.
        """
        manifest = self.serving.manifest
        if manifest is not self._manifest and manifest is not None:
            self._manifest = manifest
            self._decoder = msgspec.json.Decoder(checker_type(manifest.input_schema))
        try:
            return encode_value(self._decoder.decode(body))
        except msgspec.ValidationError as error:
            whole = self._with_whole_numbers(body) if _may_be_whole(body, error) else None
            if whole is not None:
                return whole
            raise self._misfit(body, str(error)) from error
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise self.turn_down(_not_json(body, error)) from error
        except TypeError as error:  # a number that no wire format holds
            raise self.turn_down(InvalidInput(str(error))) from error

    def _with_whole_numbers(self, body: bytes | msgspec.Raw) -> bytes | None:
        """Read an item that writes a whole number as ``3.0``, which JSON Schema takes for an integer."""
        try:
            item = _whole_numbers(_skim_all.decode(body))
            return encode_value(msgspec.convert(item, self._decoder.type))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, TypeError):
            return None

    def _misfit(self, body: bytes | msgspec.Raw, why: str) -> RequestError:
        """Tell JSON of another type from what only begins like it: a decoder stops at the first wrong byte."""
        try:
            _skim.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            return self.turn_down(_not_json(body, error))
        return self.turn_down(InvalidInput(why))

    def write(self, answer: msgspec.Raw) -> bytes:
        """Turn an answer into JSON.

        Raises:
            ModelError: It has no JSON form.
        """
        try:
            return _to_json.encode(decode_value(answer))
        except (BadFrame, NotImplementedError, TypeError, ValueError, RecursionError, MemoryError) as error:
            self.turned_down["ok"] -= 1  # so the scheduler counted it, which does not look into answers
            raise self.turn_down(ModelError(f"the answer has no JSON form: {error}")) from error

    def turn_down(self, error: RequestError) -> RequestError:
        """Count a request that ends before it is offered, and return its error."""
        self.turned_down[error.code] += 1
        return error


def _not_json(body: bytes | msgspec.Raw, error: Exception) -> BadJson:
    """Say why a body is not JSON, better than the decoder where it only knows that something is missing."""
    why = str(error)
    if not bytes(body).strip():
        why = "it is empty"
    elif _LONE_SURROGATE.search(bytes(body)):
        why = "it has half of a surrogate pair, such as \\ud800 alone, which is no character"
    return BadJson(f"the body is not JSON: {why}")


def _may_be_whole(body: bytes | msgspec.Raw, error: msgspec.ValidationError) -> bool:
    """Say whether it is worth another look: one at each value, which would hold up the others in a large body."""
    return "got `float`" in str(error) and memoryview(body).nbytes <= _MOST_LOOKED_THROUGH_BYTES


def _whole_numbers(item: Any) -> Any:
    """Return an item with an integer for each number that is whole; a type that wants floats takes those too."""
    if isinstance(item, float):
        return int(item) if item.is_integer() and abs(item) < _EXACT else item
    if isinstance(item, list):
        return [_whole_numbers(part) for part in cast("list[Any]", item)]
    if isinstance(item, dict):
        return {name: _whole_numbers(part) for name, part in cast("dict[str, Any]", item).items()}
    return item
