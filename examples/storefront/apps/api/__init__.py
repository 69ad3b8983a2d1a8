"""The API: activates and deactivates domains. Internal; reached through web."""
