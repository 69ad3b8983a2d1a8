"""``python -m apps.web``."""

from apps.serve import serve
from apps.web.app import create

serve(create, port=3000)
