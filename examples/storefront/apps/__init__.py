"""The three programs of the storefront and what they share."""
