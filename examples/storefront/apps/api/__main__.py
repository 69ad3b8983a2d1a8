"""``python -m apps.api``."""

from apps.api.app import create
from apps.serve import serve

serve(create, port=3001)
