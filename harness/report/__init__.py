"""What people and machines read after a run; rendered from the verdict and the ledger, never disagreeing with them."""
