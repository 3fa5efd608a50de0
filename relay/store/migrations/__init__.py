"""The database's history, applied when a store is opened. Released revisions never change."""
