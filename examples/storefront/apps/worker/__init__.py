"""The worker: carries out what was announced."""
