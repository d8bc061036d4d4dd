"""For each public function: calls that work, calls that fail, and what of its result is the user's own data."""

from __future__ import annotations

from tests.canary_loaders import LOADERS
from tests.canary_models import MODELS
from tests.canary_parts import Calls
from tests.canary_process import PROCESS
from tests.canary_scales import SCALES

CALLS: dict[str, Calls] = {**LOADERS, **SCALES, **MODELS, **PROCESS}
"""Name of a public function to its calls. A new function needs one entry in the file of its part of the library."""
