"""The Dashboard from the technician's side: `DashboardClient` asks one stream."""

from technician.dashboard.client import DashboardClient, Load, Past

__all__ = ["DashboardClient", "Load", "Past"]
