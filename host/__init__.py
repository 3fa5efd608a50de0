"""The temporary host: runs on the customer's computer for one session and leaves no trace."""
