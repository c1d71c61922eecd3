"""The web service: an ASGI application, what errors are over HTTP, metrics, and the server that runs it.

May import: ``serving``, ``port``, ``core``; uvicorn and prometheus-client live here and nowhere else.

Start reading at ``app.py``, then ``endpoint.py``.
"""

from pulse_ai.web.app import App as App
from pulse_ai.web.metrics import METRIC_NAMES as METRIC_NAMES
from pulse_ai.web.open_files import files_allowed as files_allowed
from pulse_ai.web.problems import PROBLEMS as PROBLEMS
from pulse_ai.web.server import bind as bind
from pulse_ai.web.server import run_event_loop as run_event_loop
from pulse_ai.web.server import run_service as run_service
