"""The Dashboard's end on the customer's computer.

`serve_dashboard` answers one `dashboard` stream; `History` keeps the last 24 hours, whether or not anybody
looks.
"""

from host.dashboard.history import History, keep_history
from host.dashboard.service import Dashboard, serve_dashboard

__all__ = ["Dashboard", "History", "keep_history", "serve_dashboard"]
