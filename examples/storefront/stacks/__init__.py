"""Infrastructure as code: the templates of an environment, as plain Python values."""
