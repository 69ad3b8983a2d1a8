"""The self-test: what makes gates lie is injected into copies, and each must end in something else than GO."""
