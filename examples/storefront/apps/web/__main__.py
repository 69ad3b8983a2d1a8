"""``python -m apps.web``."""

from apps.web.app import create
from apps.serve import serve

serve(create, port=3000)
