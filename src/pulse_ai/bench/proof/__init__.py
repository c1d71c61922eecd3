"""The overload proof: the service with and without batching, from a tenth to ten times what it can carry.

Start reading at ``plan.py`` (what is measured), ``run.py`` (the shell), ``verdicts.py`` (what is claimed).
"""

from pulse_ai.bench.proof.html import to_html as to_html
from pulse_ai.bench.proof.plan import ProofPlan as ProofPlan
from pulse_ai.bench.proof.report import ProofReport as ProofReport
from pulse_ai.bench.proof.run import run_proof as run_proof
from pulse_ai.bench.proof.service import Answer as Answer
from pulse_ai.bench.proof.service import Service as Service
from pulse_ai.bench.proof.service import ServiceFailed as ServiceFailed
from pulse_ai.bench.proof.service import open_service as open_service
from pulse_ai.bench.proof.text import to_text as to_text
from pulse_ai.bench.proof.watch import Watch as Watch
from pulse_ai.bench.proof.watch import watching as watching
