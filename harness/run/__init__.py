"""One run: layers of gates in processes of their own, supervised, recorded in a ledger, decided, written whole."""
